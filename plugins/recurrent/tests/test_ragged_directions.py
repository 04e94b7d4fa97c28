"""Directions on rows of different lengths: reversed layers, both directions, last outputs."""

import numpy as np
import pytest
from ragged_layers import CELLS, DEEP, LENGTHS, ROW, D, fill, filled, layer_of, problem, run_both_passes, values_of
from recurrent_oracle import close

from graphnet import Builder, Runner, Scan
from graphnet_recurrent import Bidirectional, Recurrent

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


@pytest.fixture
def rng():
    return np.random.default_rng(29)


def reversed_rows(x, lengths=LENGTHS):
    """Reverse each row within its length; the padding stays."""
    actual = x.copy()
    for b, n in enumerate(lengths):
        actual[:n, b] = x[:n, b][::-1]
    return actual


@pytest.mark.parametrize(
    ("cell", "forward_layer", "reversed_layer"),
    [*((c, "forwards", "backwards") for c in CELLS), *((c, "truncated", "truncated_back") for c in DEEP)],
)
def test_reverse_equals_forward_on_reversed_rows(cell, forward_layer, reversed_layer, rng):
    forward_layer, reversed_layer = layer_of(cell, forward_layer), layer_of(cell, reversed_layer)
    assert all(np.array_equal(a, values_of(reversed_layer)[path]) for path, a in values_of(forward_layer).items())
    x, states, error, errors = problem(forward_layer, rng)
    y, ends, pulled, pulled_states, gradients = run_both_passes(
        forward_layer, x, states, error, errors, lengths=LENGTHS
    )
    other = run_both_passes(reversed_layer, reversed_rows(x), states, reversed_rows(error), errors, lengths=LENGTHS)
    close(reversed_rows(other[0]), y, ROW)
    close(reversed_rows(other[2]), pulled, ROW)
    for mine, expected in ((other[1], ends), (other[3], pulled_states), (other[4], gradients)):
        assert list(mine) == list(expected)
        for name, array in expected.items():
            close(mine[name], array, ROW)


@pytest.mark.parametrize(("cell", "returns"), [*((c, "all") for c in CELLS), ("lstm", "last"), ("lstm", "state")])
def test_bidirectional_on_reversed_rows(cell, returns, rng):
    layer = layer_of(cell, {"all": "both", "last": "both_last", "state": "both_state"}[returns])
    x, states, error, errors = problem(layer, rng)
    y, ends, pulled, pulled_states, gradients = run_both_passes(layer, x, states, error, errors, lengths=LENGTHS)

    def exchanged(name):
        return name.replace("forward", "?").replace("backward", "forward").replace("?", "backward")

    weights = values_of(layer)
    fill(layer, {name: weights[exchanged(name)] for name in weights})
    flip = reversed_rows if returns == "all" else np.array

    def swapped(a):
        return np.concatenate(np.split(a, 2, axis=-1)[::-1], axis=-1)

    exchanged_states = {name: states[exchanged(name)] for name in states}
    other = run_both_passes(layer, reversed_rows(x), exchanged_states, flip(swapped(error)), errors, lengths=LENGTHS)
    fill(layer, weights)
    close(flip(swapped(other[0])), y, ROW)
    close(reversed_rows(other[2]), pulled, ROW)
    for mine, expected in ((other[1], ends), (other[3], pulled_states), (other[4], gradients)):
        for name, array in expected.items():
            close(mine[exchanged(name)], array, ROW)


@pytest.mark.parametrize(
    ("cell", "kind", "reverse"),
    [
        *((c, Bidirectional, False) for c in ("lstm", "projected", "clockwork", "attention")),
        *((c, Recurrent, reverse) for c in ("gru", "projected", "attention") for reverse in (False, True)),
    ],
)
def test_last_and_state_equal_final_steps(cell, kind, reverse, rng):
    """From the outputs at every step, and from the states."""
    layers = [filled(kind(CELLS[cell](), returns=r, reverse=reverse)) for r in ("all", "last", "state")]
    assert all(np.array_equal(a, values_of(layers[2])[path]) for path, a in values_of(layers[0]).items())
    x, states, _, _ = problem(layers[0], rng)
    whole, last, state = (layer.forward(x, **states, lengths=LENGTHS) for layer in layers)
    half = whole.shape[-1] // 2
    for b, n in enumerate(LENGTHS):
        if not n:
            expected = np.zeros(whole.shape[-1])
        elif kind is Bidirectional:
            expected = np.concatenate([whole[n - 1, b, :half], whole[0, b, half:]])
        else:
            expected = whole[0 if reverse else n - 1, b]
        np.testing.assert_array_equal(last[b], expected)
    first = layers[0].cell.states[0]
    ends = [a for name, a in layers[0].state.items() if name.split("/")[-1] == first]
    np.testing.assert_array_equal(state, np.concatenate(ends, axis=-1))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
def test_layer_equals_its_scan(cell, reverse, rng):
    layer = layer_of(cell, "backwards" if reverse else "forwards")
    x, states, error, errors = problem(layer, rng)
    builder, drawn = Builder("drawn"), CELLS[cell]()
    initial = [builder.input(s, drawn.inputs[s].shape) for s in drawn.states]
    y = Scan(drawn, reverse=reverse)(builder.input("x", f"time, batch, feature={D}"), *initial, name="scan")
    runner = Runner(builder.build(y=y, **{s: y[s] for s in drawn.states}))
    runner.materialize()
    for path, value in values_of(layer).items():
        runner.parameters[path].value = value
    outputs = runner.forward({"x": x, **states}, lengths=LENGTHS)
    pulled = runner.backward(dict(zip(runner.graph.outputs, [error, *errors], strict=True)))
    actual = run_both_passes(layer, x, states, error, errors, lengths=LENGTHS)
    np.testing.assert_array_equal(actual[0], outputs["y"])
    np.testing.assert_array_equal(actual[2], pulled["x"])
    for name in drawn.states:
        np.testing.assert_array_equal(actual[1][name], outputs[name])
        np.testing.assert_array_equal(actual[3][name], pulled[name])
    for path, gradient in actual[4].items():
        np.testing.assert_array_equal(gradient, runner.parameters[path].gradient)
