"""Masks, and the order of the axes."""

import copy

import numpy as np
import pytest
from recurrent_layers import LENGTHS, RNG, B, F, T, U, X, fill

from graphnet import (
    Cell,
    ConfigError,
    DataError,
    DtypeError,
    ShapeError,
    dense,
)
from graphnet_recurrent import (
    LSTM,
    Bidirectional,
    Recurrent,
    Stack,
    gru_cell,
    lstm_cell,
)

pytestmark = pytest.mark.usefixtures("every_backend")


def test_mask_applies_to_every_sequence():
    cell = Cell("two", sequences={"x": F, "z": 2}, states={"h": F})
    h = cell.x + dense(cell.z, F) + cell.h
    layer = initialized(Recurrent(cell.build(output=h, h=h)))
    z = np.random.default_rng(3).standard_normal((T, B, 2))
    mask = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]], bool)
    output = layer.forward(X, z=z, mask=mask)
    error = np.random.default_rng(4).standard_normal(output.shape)
    back_x, back_z = layer.backward(error)
    assert not back_z[~mask].any()
    for row in range(3):
        steps = mask[:, row]
        alone = layer.forward(X[steps, row : row + 1], z=z[steps, row : row + 1])
        np.testing.assert_allclose(output[steps, row], alone[:, 0], rtol=1e-12)
        alone_x, alone_z = layer.backward(error[steps, row : row + 1])
        np.testing.assert_allclose(back_x[steps, row], alone_x[:, 0], rtol=1e-12)
        np.testing.assert_allclose(back_z[steps, row], alone_z[:, 0], rtol=1e-12)


def initialized(layer):
    layer.forward(X, z=np.ones((T, B, 2)))
    return layer


def test_masked_steps_are_skipped():
    layer = fill(LSTM(F, U, 2, bptt_length=2))
    mask = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]], bool)
    output = layer.forward(np.where(mask[:, :, None], X, np.nan), mask=mask)
    state = {name: array.copy() for name, array in layer.state.items()}
    error = np.random.default_rng(1).standard_normal(output.shape)
    back = layer.backward(error)
    gradient = layer.get_gradient_weights()
    assert not output[~mask].any() and not back[~mask].any()
    total = np.zeros_like(gradient)
    for row in range(B):
        steps = mask[:, row]
        if not steps.any():
            assert not state["h"][row].any()
            continue
        alone = copy.deepcopy(layer)
        np.testing.assert_allclose(output[steps, row], alone.forward(X[steps, row]), rtol=1e-12)
        np.testing.assert_allclose(state["c"][row], alone.state["c"][0], rtol=1e-12)
        np.testing.assert_allclose(back[steps, row], alone.backward(error[steps, row]), rtol=1e-11)
        total += alone.get_gradient_weights()
    np.testing.assert_allclose(gradient, total, rtol=1e-10)


@pytest.mark.parametrize("returns", ["all", "last", "state"])
def test_mask_without_gaps_equals_lengths(returns):
    layer = fill(Recurrent(gru_cell(U), returns=returns))
    mask = np.arange(T)[:, None] < LENGTHS
    expected = layer.forward(X, LENGTHS)
    error = np.ones_like(expected)
    back = layer.backward(error)
    np.testing.assert_array_equal(layer.forward(X, mask=mask), expected)
    np.testing.assert_array_equal(layer.backward(error), back)


@pytest.mark.parametrize(
    "make", [lambda: LSTM(F, U, 2), lambda: Bidirectional(gru_cell(U)), lambda: Stack([gru_cell(U)])]
)
def test_batch_major_swaps_all_sequences(make):
    layer = fill(make())
    turned = copy.deepcopy(layer)
    turned.batch_major = True
    mask = RNG.random((T, B)) < 0.6
    for options in ({}, {"lengths": LENGTHS}, {"mask": mask}):
        expected = layer.forward(X, **options)
        error = np.random.default_rng(8).standard_normal(expected.shape)
        passed = {"mask": mask.T} if "mask" in options else options
        np.testing.assert_array_equal(turned.forward(X.swapaxes(0, 1), **passed), expected.swapaxes(0, 1))
        np.testing.assert_array_equal(turned.backward(error.swapaxes(0, 1)), layer.backward(error).swapaxes(0, 1))
    single = turned.forward(X[:, 0])
    np.testing.assert_array_equal(single, layer.forward(X[:, 0]))


@pytest.mark.parametrize(
    ("passed", "kind", "message"),
    [
        ({"mask": np.ones((T, B + 1), bool)}, ShapeError, "mask does not fit"),
        ({"mask": np.full((T, B), 0.5)}, DtypeError, "must be boolean"),
        ({"mask": np.ones((T, B)), "lengths": LENGTHS}, ConfigError, "lengths and a mask"),
        ({"lengths": [7, 1, 1, 1]}, DataError, "out of range"),
        ({"q": X}, ShapeError, "no such input"),
    ],
)
def test_invalid_input_changes_nothing(passed, kind, message):
    layer = fill(Recurrent(lstm_cell(U)))
    layer.toggle_memory()
    output, state = layer.forward(X), layer.state
    with pytest.raises(kind, match=message):
        layer.forward(X, **passed)
    assert layer.state is state
    assert layer.backward(np.ones_like(output)).shape == X.shape
