"""Rows of different lengths in every layer: single rows, padding, and the order of rows."""

import numpy as np
import pytest
from ragged_layers import (
    CELLS,
    EVERY,
    LAYERS,
    LENGTHS,
    ROW,
    B,
    D,
    T,
    filled,
    layer_of,
    over_time,
    problem,
    run_both_passes,
    values_of,
)
from recurrent_oracle import close

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


@pytest.fixture
def rng():
    return np.random.default_rng(29)


def single_row_layer(cell, layer_name, monkeypatch):
    """A layer with the same weights that runs single rows, on the numpy or the reference backend."""
    if layer_name in ("forwards", "backwards", "both"):
        return layer_of(cell, layer_name)
    monkeypatch.setenv("GRAPHNET_BACKEND", "reference")
    return filled(LAYERS[layer_name](CELLS[cell]))


def initial_state(layer, states, state):
    """The initial value of a state by its name, such as ``layer_0/forward/h``."""
    passed = states.get(state.replace("/", "_"))
    if passed is not None:
        return passed
    *path, name = state.split("/")
    value = values_of(layer)["/".join([*path, f"initial_{name}", "weights"])]
    return np.tile(value, (B, 1))


@EVERY
def test_rows_equal_single_sequences(cell, layer_name, rng, monkeypatch):
    layer, single = layer_of(cell, layer_name), single_row_layer(cell, layer_name, monkeypatch)
    x, states, error, errors = problem(layer, rng)
    y, ends, input_error, state_errors, gradients = run_both_passes(layer, x, states, error, errors, lengths=LENGTHS)
    assert all(np.isfinite(a).all() for a in (y, input_error, *ends.values(), *gradients.values()))
    total = {path: np.zeros_like(g) for path, g in gradients.items()}
    for b, n in enumerate(LENGTHS):
        one = slice(b, b + 1)
        steps = slice(0, n or T)
        alone = run_both_passes(
            single,
            x[steps, one],
            {name: a[one] for name, a in states.items()},
            error[steps, one] if over_time(layer) else error[one],
            [e[one] for e in errors],
            lengths=None if n else [0],
        )
        if over_time(layer):
            close(y[steps, b], alone[0][:, 0], ROW)
            assert not y[n:, b].any()
        else:
            close(y[b], alone[0][0], ROW)
        for name, array in ends.items():
            close(array[b], alone[1][name][0], ROW)
            if n == 0:
                np.testing.assert_array_equal(array[b], initial_state(layer, states, name)[b])
        close(input_error[steps, b], alone[2][:, 0], ROW)
        assert not input_error[n:, b].any()
        for name, array in state_errors.items():
            close(array[b], alone[3][name][0], ROW)
        for path, gradient in alone[4].items():
            total[path] += gradient
    for path, gradient in gradients.items():
        close(gradient, total[path], ROW)


@pytest.mark.parametrize("layer_name", LAYERS)
@pytest.mark.parametrize("cell", ["lstm", "attention"])
def test_empty_row_passes_state_errors_through(cell, layer_name, rng):
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng)
    y, _, input_error, state_errors, _ = run_both_passes(layer, x, states, error, errors, lengths=LENGTHS)
    assert not input_error[:, 1].any()
    if over_time(layer):
        assert not y[:, 1].any()
    elif layer.returns == "last":
        assert not y[1].any()
    for (name, array), passed in zip(state_errors.items(), errors, strict=False):
        if layer.returns != "state":
            np.testing.assert_array_equal(array[1], passed[1], err_msg=name)


@EVERY
def test_batch_of_empty_rows(cell, layer_name, rng):
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng, lengths=[0] * B)
    y, ends, input_error, _, gradients = run_both_passes(layer, x, states, error, errors, lengths=[0] * B)
    assert not input_error.any()
    assert layer.returns == "state" or not y.any()
    for name, array in ends.items():
        np.testing.assert_array_equal(array, initial_state(layer, states, name))
    assert all(not g.any() for path, g in gradients.items() if "initial" not in path)


@EVERY
def test_padding_values_have_no_effect(cell, layer_name, rng):
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng)
    actual = []
    for beyond in (np.nan, np.inf, 0.0, -1e300, 5.0):
        padded = np.where(np.isnan(x), beyond, x)
        back = np.where(np.isnan(error), beyond, error)
        actual.append(run_both_passes(layer, padded, states, back, errors, lengths=LENGTHS))
    for other in actual[1:]:
        np.testing.assert_array_equal(other[0], actual[0][0])
        np.testing.assert_array_equal(other[2], actual[0][2])
        for k in (1, 3, 4):
            for name, array in actual[0][k].items():
                np.testing.assert_array_equal(other[k][name], array, err_msg=name)


@pytest.mark.parametrize(("cell", "layer_name"), [(c, "both") for c in CELLS] + [("lstm", a) for a in LAYERS])
def test_extra_padding_has_no_effect(cell, layer_name, rng):
    """A batch in a longer array."""
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng)
    y, ends, input_error, _, gradients = run_both_passes(layer, x, states, error, errors, lengths=LENGTHS)
    longer = np.concatenate([x, np.full((3, B, D), np.nan)])
    more = error
    if over_time(layer):
        more = np.concatenate([error, np.full((3, *error.shape[1:]), np.nan)])
    other = run_both_passes(layer, longer, states, more, errors, lengths=LENGTHS)
    close(other[0][:T] if over_time(layer) else other[0], y, ROW)
    close(other[2][:T], input_error, ROW)
    assert not other[2][T:].any()
    for name, array in ends.items():
        close(other[1][name], array, ROW)
    for path, gradient in gradients.items():
        close(other[4][path], gradient, ROW)


@EVERY
def test_row_order_has_no_effect(cell, layer_name, rng):
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng)
    y, ends, input_error, state_errors, gradients = run_both_passes(layer, x, states, error, errors, lengths=LENGTHS)
    order = rng.permutation(B)
    other = run_both_passes(
        layer,
        x[:, order],
        {name: a[order] for name, a in states.items()},
        error[:, order] if over_time(layer) else error[order],
        [e[order] for e in errors],
        lengths=np.array(LENGTHS)[order],
    )
    close(other[0], y[:, order] if over_time(layer) else y[order], ROW)
    close(other[2], input_error[:, order], ROW)
    for name, array in ends.items():
        close(other[1][name], array[order], ROW)
    for name, array in state_errors.items():
        close(other[3][name], array[order], ROW)
    for path, gradient in gradients.items():
        close(other[4][path], gradient, ROW)
