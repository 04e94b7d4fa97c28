"""Cells, an input and weights for tests of the options of recurrent layers."""

import numpy as np
import pytest

from graphnet_recurrent import (
    attention_cell,
    clockwork_cell,
    elman_cell,
    gru_cell,
    layer_norm_lstm_cell,
    lstm_cell,
    minimal_gated_cell,
    peephole_lstm_cell,
    projected_lstm_cell,
)

T, B, F, U = 6, 4, 3, 5


LENGTHS = np.array([6, 2, 0, 4])


RNG = np.random.default_rng(42)


X = RNG.standard_normal((T, B, F))


CELLS = {
    "elman": lambda: elman_cell(U),
    "gru": lambda: gru_cell(U),
    "gru after": lambda: gru_cell(U, reset_after=True),
    "lstm": lambda: lstm_cell(U),
    "peephole": lambda: peephole_lstm_cell(U),
    "projected": lambda: projected_lstm_cell(U, 3),
    "layer norm": lambda: layer_norm_lstm_cell(U),
    "minimal": lambda: minimal_gated_cell(U),
    "clockwork": lambda: clockwork_cell(6, [1, 2, 3]),
    "attention": lambda: attention_cell(U, 3),
}


EVERY = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def fill(layer, seed=1, scale=0.5):
    """Set random weights around 0, also those that start at a constant."""
    layer.forward(X)
    rng = np.random.default_rng(seed)
    for owner in layer.graph.layers().values():
        for parameter in owner.params.values():
            parameter.value = scale * rng.standard_normal(parameter.value.shape)
    return layer
