"""Numeric derivatives of every layer on rows of different lengths."""

import numpy as np
import pytest
from ragged_layers import LAYERS, LENGTHS, H, arrays_of, fill, filled, layer_of, problem, run_both_passes, values_of
from recurrent_oracle import close, numeric

from graphnet import seed
from graphnet_recurrent import Bidirectional, Recurrent, Stack, cells

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


@pytest.fixture
def rng():
    return np.random.default_rng(29)


DERIVED = [name for name in LAYERS if "truncated" not in name and name != "clipped"]


@pytest.mark.parametrize("layer_name", DERIVED)
@pytest.mark.parametrize("cell", ["lstm", "gru_after"])
def test_numeric_derivatives(cell, layer_name, rng):
    """Derivatives of a random function of outputs and final states, along a random direction per array."""
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng)
    _, _, pulled, pulled_states, gradients = run_both_passes(layer, x, states, error, errors, lengths=LENGTHS)
    x, error, values = np.nan_to_num(x), np.nan_to_num(error), values_of(layer)
    names = list(layer.graph.outputs)[1:]

    def loss(x=x, states=states):
        y = layer.forward(x, **states, lengths=LENGTHS)
        ends = {name.replace("/", "_"): a for name, a in layer.state.items()}
        return (y * error).sum() + sum((ends[n] * e).sum() for n, e in zip(names, errors, strict=True))

    def with_weights(path, value):
        fill(layer, {**values, path: value})
        actual = loss()
        fill(layer, values)
        return actual

    def along(f, array, gradient):
        direction = rng.normal(size=array.shape)
        slope = numeric(lambda s: f(array + s * direction), np.zeros(()))
        assert abs(slope - (gradient * direction).sum()) <= 1e-8 * max(1.0, abs(slope))

    along(lambda x: loss(x=x), x, pulled)
    for name, array in states.items():
        along(lambda v, name=name: loss(states={**states, name: v}), array, pulled_states[name])
    for path, value in values.items():
        along(lambda v, path=path: with_weights(path, v), value, gradients[path])


@pytest.mark.parametrize("make", [lambda o: Recurrent(cells.lstm_cell(H), **o), lambda o: Recurrent(
    cells.gru_cell(H, reset_after=True), reverse=True, **o), lambda o: Bidirectional(cells.minimal_gated_cell(H), **o),
    lambda o: Stack([cells.lstm_cell(H), cells.gru_cell(H)], keep_between=0.5, residual=True, **o)],
)  # fmt: skip
def test_numeric_derivatives_with_dropout(make, rng):
    """With the same seed, dropout of inputs, of states and between layers is a deterministic function."""
    layer = filled(make({"keep_input": 0.6, "keep_state": 0.5}))
    x, states, error, _ = problem(layer, rng)

    def forward(x):
        seed(41)
        return layer.forward(x, **states, lengths=LENGTHS)

    y = forward(x)
    assert np.isfinite(y).all()
    pulled, *_ = layer.backward(error)
    gradients = {path: p.gradient.copy() for path, p in arrays_of(layer).items()}
    x, error, values = np.nan_to_num(x), np.nan_to_num(error), values_of(layer)
    np.testing.assert_array_equal(forward(x), y)
    direction = rng.normal(size=x.shape)
    slope = numeric(lambda s: (forward(x + s * direction) * error).sum(), np.zeros(()))
    close(slope, (pulled * direction).sum(), 1e-7)
    for path, value in values.items():
        direction = rng.normal(size=value.shape)

        def along(s, path=path, value=value, direction=direction):
            fill(layer, {**values, path: value + s * direction})
            return (forward(x) * error).sum()

        slope = numeric(along, np.zeros(()))
        fill(layer, values)
        close(slope, (gradients[path] * direction).sum(), 1e-7)
