"""The state that a layer keeps between calls."""

import copy

import numpy as np
import pytest
from recurrent_layers import EVERY, B, F, U, X, fill

from graphnet import (
    DataError,
    StateError,
)
from graphnet_recurrent import (
    RNN,
    Bidirectional,
    Recurrent,
    Stack,
    elman_cell,
    gru_cell,
    lstm_cell,
)

pytestmark = pytest.mark.usefixtures("every_backend")


def test_passed_state_replaces_kept_state():
    layer = fill(Recurrent(lstm_cell(U)))
    layer.toggle_memory()
    layer.forward(X)
    c, h = layer.state["c"].copy(), np.ones((B, U))
    actual = layer.forward(X, h=h)
    fresh = Recurrent(layer.cell).forward(X, h=h, c=c)
    np.testing.assert_array_equal(actual, fresh)


@EVERY
def test_memory_continues_every_cell(cell):
    layer = fill(Recurrent(cell()))
    whole = layer.forward(X)
    layer.toggle_memory()
    layer.reset_state()
    parts = [layer.forward(X[start:stop]) for start, stop in ((0, 1), (1, 4), (4, 6))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)
    before = {name: array.copy() for name, array in layer.state.items()}
    layer.reset_state([1, 3])
    for name, array in layer.state.items():
        assert not array[[1, 3]].any()
        np.testing.assert_array_equal(array[[0, 2]], before[name][[0, 2]])
    again = layer.forward(X)
    np.testing.assert_allclose(again[:, [1, 3]], whole[:, [1, 3]], rtol=1e-12)
    assert not np.allclose(again[:, [0, 2]], whole[:, [0, 2]])
    layer.reset_state()
    assert layer.state is None
    np.testing.assert_allclose(layer.forward(X[:, :2]), whole[:, :2], rtol=1e-12)


def test_reset_rows_start_from_learned_state():
    layer = fill(Recurrent(elman_cell(U), learn_initial=True))
    whole = layer.forward(X)
    layer.toggle_memory()
    layer.forward(X)
    layer.reset_state(np.array([True, False, False, False]))
    actual = layer.forward(X)
    np.testing.assert_allclose(actual[:, 0], whole[:, 0], rtol=1e-12)
    error = np.random.default_rng(2).standard_normal(actual.shape)
    layer.backward(error)
    gradient = layer.graph.nodes["initial_h"].layer.get_gradient_weights()
    alone = copy.deepcopy(layer)
    alone.reset_state()
    alone.forward(X[:, :1])
    alone.backward(error[:, :1])
    np.testing.assert_allclose(gradient, alone.graph.nodes["initial_h"].layer.get_gradient_weights(), rtol=1e-10)


def test_state_can_be_read_and_assigned():
    layer = fill(Stack([lstm_cell(U), gru_cell(4)]))
    layer.toggle_memory()
    layer.forward(X[:3])
    before = {name: array.copy() for name, array in layer.state.items()}
    assert {name: array.shape for name, array in before.items()} == {
        "layer_0/h": (B, U), "layer_0/c": (B, U), "layer_1/h": (B, 4),
    }  # fmt: skip
    continued = layer.forward(X[3:])
    layer.state = before
    np.testing.assert_array_equal(layer.forward(X[3:]), continued)
    with pytest.raises(StateError, match="not the states"):
        layer.state = {"h": np.zeros((B, U))}
    with pytest.raises(StateError, match="batch size of the input"):
        layer.forward(X[:, :2])
    with pytest.raises(DataError, match="no such row"):
        layer.reset_state(9)


def test_reversed_layers_refuse_memory():
    for layer in (Bidirectional(gru_cell(U)), RNN(F, U, 2, reverse=True), Stack([gru_cell(U)], bidirectional=True)):
        with pytest.raises(StateError, match="backwards"):
            layer.toggle_memory()
        layer.forward(X)
        layer.forward(X[:, :2])


def test_passed_state_replaces_reset_rows():
    layer = fill(Recurrent(elman_cell(U)))
    layer.toggle_memory()
    layer.forward(X)
    layer.reset_state([1])
    h = np.ones((B, U))
    np.testing.assert_array_equal(layer.forward(X, h=h), Recurrent(layer.cell).forward(X, h=h))
