"""Masks, axes, one sequence, and sequences in pieces, in every layer."""

import numpy as np
import pytest
from ragged_layers import LENGTHS, ROW, B, D, T, arrays_of, layer_of, over_time, problem, run_both_passes
from recurrent_oracle import close

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


@pytest.fixture
def rng():
    return np.random.default_rng(29)


SOME = pytest.mark.parametrize(
    ("cell", "layer_name"),
    [
        *((c, "forwards") for c in ("lstm", "attention", "clockwork")),
        *(("lstm", a) for a in ("both", "stack", "both_last", "learned", "residual_both", "projected_out")),
    ],
)


@SOME
def test_masked_row_equals_shortened_row(cell, layer_name, rng):
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng, lengths=None)
    mask = rng.random((T, B)) < 0.6
    mask[:, 1], mask[:, 2], mask[:-1, 3], mask[-1, 3] = False, True, False, True
    x_masked = np.where(mask[:, :, None], x, np.nan)
    back = np.where(mask[:, :, None], error, np.nan) if over_time(layer) else error
    y, ends, pulled, pulled_states, gradients = run_both_passes(layer, x_masked, states, back, errors, mask=mask)
    assert not pulled[~mask].any()
    assert not over_time(layer) or not y[~mask].any()
    total = {path: np.zeros_like(g) for path, g in gradients.items()}
    for b in range(B):
        one, steps = slice(b, b + 1), mask[:, b] if mask[:, b].any() else slice(None)
        alone = run_both_passes(
            layer,
            x[steps, one],
            {name: a[one] for name, a in states.items()},
            error[steps, one] if over_time(layer) else error[one],
            [e[one] for e in errors],
            lengths=None if mask[:, b].any() else [0],
        )
        close(y[steps, b] if over_time(layer) else y[b], alone[0][:, 0] if over_time(layer) else alone[0][0], ROW)
        close(pulled[steps, b], alone[2][:, 0], ROW)
        for k, actual in ((1, ends), (3, pulled_states)):
            for name, array in actual.items():
                close(array[b], alone[k][name][0], ROW)
        for path, gradient in alone[4].items():
            total[path] += gradient
    for path, gradient in gradients.items():
        close(gradient, total[path], ROW)


@SOME
@pytest.mark.parametrize("masked", [False, True])
def test_batch_major_swaps_axes_only(cell, layer_name, masked, rng):
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng)
    mask = np.arange(T)[::-1, None] < np.array(LENGTHS)  # the valid steps are at the end

    def flipped(a):
        return a.swapaxes(0, 1)

    rows = ({"mask": mask}, {"mask": mask.T}) if masked else ({"lengths": LENGTHS}, {"lengths": LENGTHS})
    if masked:
        x, error = x[::-1], error[::-1] if over_time(layer) else error
    y, ends, pulled, pulled_states, gradients = run_both_passes(layer, x, states, error, errors, **rows[0])
    layer.batch_major = True
    try:
        back = flipped(error) if over_time(layer) else error
        other = run_both_passes(layer, flipped(x), states, back, errors, **rows[1])
    finally:
        layer.batch_major = False
    np.testing.assert_array_equal(other[0], flipped(y) if over_time(layer) else y)
    np.testing.assert_array_equal(other[2], flipped(pulled))
    for mine, expected in ((other[1], ends), (other[3], pulled_states), (other[4], gradients)):
        for name, array in expected.items():
            np.testing.assert_array_equal(mine[name], array)


@SOME
def test_single_sequence_equals_batch_of_one(cell, layer_name, rng):
    layer = layer_of(cell, layer_name)
    x, states, error, errors = problem(layer, rng, rows=1, lengths=None)
    y, ends, pulled, pulled_states, gradients = run_both_passes(layer, x, states, error, errors)
    other = run_both_passes(layer, x[:, 0], states, error[:, 0] if over_time(layer) else error, errors)
    close(other[0], y[:, 0] if over_time(layer) else y, ROW)
    close(other[2], pulled[:, 0], ROW)
    for mine, expected in ((other[1], ends), (other[3], pulled_states), (other[4], gradients)):
        for name, array in expected.items():
            close(mine[name], array, ROW)


FORWARD = pytest.mark.parametrize(
    ("cell", "layer_name"),
    [
        *((c, "forwards") for c in ("lstm", "gru", "attention", "clockwork")),
        *(("lstm", a) for a in ("stack", "learned", "learned_stack", "residual", "projected_out")),
    ],
)


def with_memory(layer):
    """The layer with memory on, and without a kept state."""
    layer.reset_state()
    layer.toggle_memory()
    return layer


@FORWARD
@pytest.mark.parametrize("cuts", [(2,), (1, 2, 4)])
def test_pieces_equal_whole_sequence(cell, layer_name, cuts, rng):
    """A row that has ended keeps its state; a row may have no step in the first piece."""
    layer = layer_of(cell, layer_name)
    x = rng.normal(size=(T, B, D))
    y = layer.forward(x, lengths=LENGTHS)
    ends = {name: array.copy() for name, array in layer.state.items()}
    actual = []
    with_memory(layer)
    try:
        for begin, end in zip((0, *cuts), (*cuts, T), strict=True):
            left = np.clip(np.array(LENGTHS) - begin, 0, end - begin)
            actual.append(layer.forward(x[begin:end], lengths=left))
    finally:
        layer.toggle_memory()
    close(np.concatenate(actual), y, ROW)
    for name, array in ends.items():
        close(layer.state[name], array, ROW)


@FORWARD
def test_reset_rows_start_new_sequences(cell, layer_name, rng):
    """Each row equals a single row that continues or restarts; no error crosses pieces."""
    layer = layer_of(cell, layer_name)
    first, x = rng.normal(size=(2, B, D)), rng.normal(size=(T, B, D))
    error, anew = rng.normal(size=layer.forward(x).shape), [0, 3]
    with_memory(layer)
    try:
        layer.forward(first, lengths=[2, 2, 1, 2, 0])
        layer.reset_state(anew)
        y = layer.forward(x, lengths=LENGTHS)
        pulled, gradients = layer.backward(error), {path: p.gradient.copy() for path, p in arrays_of(layer).items()}
        ends = {name: array.copy() for name, array in layer.state.items()}
        total = {path: np.zeros_like(g) for path, g in gradients.items()}
        for b, n in enumerate(LENGTHS):
            layer.reset_state()
            if b not in anew:
                layer.forward(first[:, b : b + 1], lengths=[[2, 2, 1, 2, 0][b]])
            alone = layer.forward(x[:, b : b + 1], lengths=[n])
            close(y[:, b], alone[:, 0], ROW)
            for name, array in ends.items():
                close(array[b], layer.state[name][0], ROW)
            close(pulled[:, b], layer.backward(error[:, b : b + 1])[:, 0], ROW)
            for path, p in arrays_of(layer).items():
                total[path] += p.gradient
        for path, gradient in gradients.items():
            close(gradient, total[path], ROW)
        for path in gradients:
            if "initial_h" in path:
                assert gradients[path].any()
    finally:
        layer.toggle_memory()
        layer.reset_state()
