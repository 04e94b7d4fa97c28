"""Several layers on top of each other, and two directions."""

import copy

import numpy as np
import pytest
from recurrent_layers import LENGTHS, B, U, X, fill

from graphnet import (
    Phase,
)
from graphnet_recurrent import (
    Bidirectional,
    Recurrent,
    Stack,
    elman_cell,
    gru_cell,
    lstm_cell,
)

pytestmark = pytest.mark.usefixtures("every_backend")


def test_stack_dropout_and_residual_sums():
    stack = fill(Stack([gru_cell(U), elman_cell(U), lstm_cell(U)], keep_between=0.6, residual=True))
    stack.phase = Phase.test
    x, expected = X, None
    for i in range(3):
        inner = stack.graph.nodes[f"layer_{i}"].layer
        y = inner.forward(x)
        expected = y if i == 0 else y + x
        x = expected
    np.testing.assert_allclose(stack.forward(X), expected, rtol=1e-12)
    stack.phase = Phase.train
    assert not np.allclose(stack.forward(X), expected)
    top = Stack([copy.deepcopy(c) for c in stack.cells], residual=True, returns="last")
    np.testing.assert_allclose(top.forward(X), expected[-1], rtol=1e-12)


def test_directions_equal_single_layers():
    forward_cell, backward_cell = lstm_cell(U), gru_cell(4)
    layer = fill(Bidirectional(forward_cell, backward_cell))
    forwards, backwards = (
        Recurrent(forward_cell).forward(X, LENGTHS),
        Recurrent(backward_cell, reverse=True).forward(X, LENGTHS),
    )
    np.testing.assert_array_equal(layer.forward(X, LENGTHS), np.concatenate([forwards, backwards], axis=2))
    last = Bidirectional(forward_cell, backward_cell, returns="last").forward(X, LENGTHS)
    at = np.where(LENGTHS > 0, LENGTHS - 1, 0)
    ends = np.concatenate([forwards[at, np.arange(B)], backwards[0]], axis=1)
    np.testing.assert_array_equal(last, ends)
    same = Bidirectional(forward_cell, copy.deepcopy(forward_cell), merge="add")
    inner = same.graph.nodes["backward"].layer
    np.testing.assert_allclose(same.forward(X), Recurrent(forward_cell).forward(X) + inner.forward(X), rtol=1e-12)


def test_directions_have_separate_weights():
    layer = Bidirectional(lstm_cell(U))
    layer.forward(X)
    weights = layer.get_weights()
    assert len(weights) == 8
    pairs = [(name, name.replace("forward", "backward", 1)) for name in weights if name.startswith("forward")]
    assert all(not np.array_equal(weights[a], weights[b]) for a, b in pairs)
