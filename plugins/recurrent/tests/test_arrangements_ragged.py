"""What must hold of every cell in every arrangement, whatever its equations, on rows of different length.

Each row is as if alone; going backwards is going forwards on turned rows; the order of the rows, and numbers beyond their
ends, change nothing; a sequence in pieces is the whole; derivatives are those of the outputs.
"""

import functools

import numpy as np
import pytest
from recurrent_oracle import close, numeric

from graphnet import Builder, Runner, Scan, seed
from graphnet_recurrent import Bidirectional, Recurrent, Stack, cells

pytestmark = pytest.mark.slow

T, D, H = 5, 3, 4
LENGTHS = [3, 0, 5, 1, 3]
B = len(LENGTHS)
PERIODS = (1, 2)
ROW = 1e-12

CELLS = {
    "elman": lambda: cells.elman_cell(H),
    "lstm": lambda: cells.lstm_cell(H),
    "gru": lambda: cells.gru_cell(H),
    "gru_after": lambda: cells.gru_cell(H, reset_after=True),
    "peephole": lambda: cells.peephole_lstm_cell(H),
    "coupled": lambda: cells.coupled_lstm_cell(H),
    "layer_norm": lambda: cells.layer_norm_lstm_cell(H),
    "projected": lambda: cells.projected_lstm_cell(H, 2),
    "minimal_gated": lambda: cells.minimal_gated_cell(H),
    "clockwork": lambda: cells.clockwork_cell(H, PERIODS),
    "attention": lambda: cells.attention_cell(H, 2),
}
#: From a function that makes cells to a layer.
ARRANGEMENTS = {
    "forwards": lambda make: Recurrent(make()),
    "backwards": lambda make: Recurrent(make(), reverse=True),
    "both": lambda make: Bidirectional(make()),
    "stack": lambda make: Stack([make(), make()]),
    "stack_both": lambda make: Stack([make(), make()], bidirectional=True),
    "truncated": lambda make: Recurrent(make(), bptt_length=2),
    "truncated_back": lambda make: Recurrent(make(), bptt_length=2, reverse=True),
    "truncated_both": lambda make: Bidirectional(make(), bptt_length=2),
    "truncated_stack": lambda make: Stack([make(), make()], bptt_length=2),
    "last": lambda make: Recurrent(make(), returns="last"),
    "backwards_last": lambda make: Recurrent(make(), returns="last", reverse=True),
    "both_last": lambda make: Bidirectional(make(), returns="last"),
    "both_state": lambda make: Bidirectional(make(), returns="state"),
    "state": lambda make: Recurrent(make(), returns="state"),
    "added": lambda make: Bidirectional(make(), make(), merge="add"),
    "learned": lambda make: Recurrent(make(), learn_initial=True),
    "learned_both": lambda make: Bidirectional(make(), learn_initial=True, returns="state"),
    "learned_stack": lambda make: Stack([make(), make()], learn_initial=True),
    "residual": lambda make: Stack([make(), make(), make()], residual=True),
    "residual_both": lambda make: Stack([make(), make()], residual=True, bidirectional=True),
    "residual_last": lambda make: Stack([make(), make()], residual=True, returns="last"),
    "projected_out": lambda make: Stack([make(), make()], 2),
    "clipped": lambda make: Stack([make(), make()], clip_error=0.3),
}
#: Every cell in the first arrangements; every arrangement with the first of these cells.
BROAD = ("forwards", "backwards", "both", "stack", "learned")
DEEP = ("lstm", "attention")
PAIRS = [(c, a) for c in CELLS for a in ARRANGEMENTS if a in BROAD or c in DEEP]
EVERY = pytest.mark.parametrize(("cell", "arrangement"), PAIRS)


@pytest.fixture
def rng():
    return np.random.default_rng(29)


def arrays_of(layer):
    """Every parameter of a layer by path, also where there is only one."""
    return {f"{path}/{name}": p for path, inner in layer.graph.layers().items() for name, p in inner.params.items()}


def values_of(layer):
    return {path: p.value for path, p in arrays_of(layer).items()}


def fill(layer, values):
    for path, parameter in arrays_of(layer).items():
        parameter.value = values[path]


def filled(layer, number=31, shape=(T, B, D)):
    """The layer with random weights; flags and phases of attention and clockwork begin where they always do."""
    rng = np.random.default_rng(number)
    layer.forward(np.zeros(shape))
    for path, parameter in arrays_of(layer).items():
        if not path.endswith(("initial_filled/weights", "initial_phase/weights")):
            parameter.value = rng.normal(size=parameter.value.shape) * 0.6
    return layer


@functools.cache
def made(cell, arrangement):
    """One layer for all tests that do not change its weights, so that it is compiled once."""
    return filled(ARRANGEMENTS[arrangement](CELLS[cell]))


def judge(cell, arrangement, monkeypatch):
    """A layer with the same weights that takes each row by itself: compiled for it, or else run node by node."""
    if arrangement in ("forwards", "backwards", "both"):
        return made(cell, arrangement)
    monkeypatch.setenv("GRAPHNET_BACKEND", "reference")
    return filled(ARRANGEMENTS[arrangement](CELLS[cell]))


def begun(layer, rng, rows=B):
    """Initial states by input: random numbers, and flags and phases that a run could have left, other ones in each row."""
    found = {}
    for name, given in list(layer.graph.inputs.items())[1:]:
        width = given.shape.sizes[-1]
        found[name] = rng.normal(size=(rows, width))
        if name.endswith("filled"):
            found[name] = np.array([[float(k < b % (width + 1)) for k in range(width)] for b in range(rows)])
        if name.endswith("phase"):
            found[name] = np.array([[float(b % period) for period in PERIODS] for b in range(rows)])
    return found


def ran(layer, x, states, error, errors, **rows):
    """Everything that comes out of a layer, there and back."""
    y = layer.forward(x, **states, **rows)
    ends = {name: array.copy() for name, array in layer.state.items()}
    pulled = layer.backward(error, *errors)
    first, *rest = pulled if isinstance(pulled, tuple) else (pulled,)
    gradients = {path: p.gradient.copy() for path, p in arrays_of(layer).items()}
    return y, ends, first, dict(zip(states, rest, strict=True)), gradients


def problem(layer, rng, steps=T, rows=B, lengths=LENGTHS):
    """An input, states, errors for the output and for the states that are outputs; NaN where no row reaches."""
    x, states = rng.normal(size=(steps, rows, D)), begun(layer, rng, rows)
    y = layer.forward(x, **states, lengths=lengths)
    ends = {name.replace("/", "_"): a for name, a in layer.state.items()}
    error = rng.normal(size=y.shape)
    errors = [rng.normal(size=ends[name].shape) for name in list(layer.graph.outputs)[1:]]
    if lengths is not None:
        for b, n in enumerate(lengths):
            x[n:, b] = np.nan
            if over_time(layer):
                error[n:, b] = np.nan
    return x, states, error, errors


def over_time(layer):
    return layer.returns == "all"


def start_of(layer, states, state):
    """Where a row begins, by the name of the state as the layer tells it: ``layer_0/forward/h``."""
    given = states.get(state.replace("/", "_"))
    if given is not None:
        return given
    *path, name = state.split("/")
    value = values_of(layer)["/".join([*path, f"initial_{name}", "weights"])]
    return np.tile(value, (B, 1))


# ---------------------------------------------------------------------- each row as if alone
@EVERY
def test_rows_are_as_if_alone(cell, arrangement, rng, monkeypatch):
    layer, single = made(cell, arrangement), judge(cell, arrangement, monkeypatch)
    x, states, error, errors = problem(layer, rng)
    y, ends, pulled, pulled_states, gradients = ran(layer, x, states, error, errors, lengths=LENGTHS)
    assert all(np.isfinite(a).all() for a in (y, pulled, *ends.values(), *gradients.values()))
    total = {path: np.zeros_like(g) for path, g in gradients.items()}
    for b, n in enumerate(LENGTHS):
        one = slice(b, b + 1)
        steps = slice(0, n or T)
        alone = ran(
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
                np.testing.assert_array_equal(array[b], start_of(layer, states, name)[b])
        close(pulled[steps, b], alone[2][:, 0], ROW)
        assert not pulled[n:, b].any()
        for name, array in pulled_states.items():
            close(array[b], alone[3][name][0], ROW)
        for path, gradient in alone[4].items():
            total[path] += gradient
    for path, gradient in gradients.items():
        close(gradient, total[path], ROW)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("cell", ["lstm", "attention"])
def test_an_empty_row_gives_zeros_and_hands_errors_of_its_state_on(cell, arrangement, rng):
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng)
    y, _, pulled, pulled_states, _ = ran(layer, x, states, error, errors, lengths=LENGTHS)
    assert not pulled[:, 1].any()
    if over_time(layer):
        assert not y[:, 1].any()
    elif layer.returns == "last":
        assert not y[1].any()
    for (name, array), given in zip(pulled_states.items(), errors, strict=False):
        if layer.returns != "state":
            np.testing.assert_array_equal(array[1], given[1], err_msg=name)


@EVERY
def test_a_batch_of_empty_rows(cell, arrangement, rng):
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng, lengths=[0] * B)
    y, ends, pulled, _, gradients = ran(layer, x, states, error, errors, lengths=[0] * B)
    assert not pulled.any()
    assert layer.returns == "state" or not y.any()
    for name, array in ends.items():
        np.testing.assert_array_equal(array, start_of(layer, states, name))
    assert all(not g.any() for path, g in gradients.items() if "initial" not in path)


# ---------------------------------------------------------------------- beyond the ends
@EVERY
def test_numbers_beyond_the_ends_change_nothing(cell, arrangement, rng):
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng)
    found = []
    for beyond in (np.nan, np.inf, 0.0, -1e300, 5.0):
        there = np.where(np.isnan(x), beyond, x)
        back = np.where(np.isnan(error), beyond, error)
        found.append(ran(layer, there, states, back, errors, lengths=LENGTHS))
    for other in found[1:]:
        np.testing.assert_array_equal(other[0], found[0][0])
        np.testing.assert_array_equal(other[2], found[0][2])
        for k in (1, 3, 4):
            for name, array in found[0][k].items():
                np.testing.assert_array_equal(other[k][name], array, err_msg=name)


@pytest.mark.parametrize(("cell", "arrangement"), [(c, "both") for c in CELLS] + [("lstm", a) for a in ARRANGEMENTS])
def test_steps_that_no_row_has_change_nothing(cell, arrangement, rng):
    """A batch in a longer array."""
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng)
    y, ends, pulled, _, gradients = ran(layer, x, states, error, errors, lengths=LENGTHS)
    longer = np.concatenate([x, np.full((3, B, D), np.nan)])
    more = error
    if over_time(layer):
        more = np.concatenate([error, np.full((3, *error.shape[1:]), np.nan)])
    other = ran(layer, longer, states, more, errors, lengths=LENGTHS)
    close(other[0][:T] if over_time(layer) else other[0], y, ROW)
    close(other[2][:T], pulled, ROW)
    assert not other[2][T:].any()
    for name, array in ends.items():
        close(other[1][name], array, ROW)
    for path, gradient in gradients.items():
        close(other[4][path], gradient, ROW)


# ---------------------------------------------------------------------- order of the rows, order of the steps
@EVERY
def test_the_order_of_the_rows_does_not_matter(cell, arrangement, rng):
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng)
    y, ends, pulled, pulled_states, gradients = ran(layer, x, states, error, errors, lengths=LENGTHS)
    order = rng.permutation(B)
    other = ran(
        layer,
        x[:, order],
        {name: a[order] for name, a in states.items()},
        error[:, order] if over_time(layer) else error[order],
        [e[order] for e in errors],
        lengths=np.array(LENGTHS)[order],
    )
    close(other[0], y[:, order] if over_time(layer) else y[order], ROW)
    close(other[2], pulled[:, order], ROW)
    for name, array in ends.items():
        close(other[1][name], array[order], ROW)
    for name, array in pulled_states.items():
        close(other[3][name], array[order], ROW)
    for path, gradient in gradients.items():
        close(other[4][path], gradient, ROW)


def turned(x, lengths=LENGTHS):
    """Each row backwards within its length; what lies beyond stays."""
    found = x.copy()
    for b, n in enumerate(lengths):
        found[:n, b] = x[:n, b][::-1]
    return found


@pytest.mark.parametrize(
    ("cell", "there", "back"),
    [*((c, "forwards", "backwards") for c in CELLS), *((c, "truncated", "truncated_back") for c in DEEP)],
)
def test_backwards_is_forwards_on_turned_rows(cell, there, back, rng):
    there, back = made(cell, there), made(cell, back)
    assert all(np.array_equal(a, values_of(back)[path]) for path, a in values_of(there).items())
    x, states, error, errors = problem(there, rng)
    y, ends, pulled, pulled_states, gradients = ran(there, x, states, error, errors, lengths=LENGTHS)
    other = ran(back, turned(x), states, turned(error), errors, lengths=LENGTHS)
    close(turned(other[0]), y, ROW)
    close(turned(other[2]), pulled, ROW)
    for mine, expected in ((other[1], ends), (other[3], pulled_states), (other[4], gradients)):
        assert list(mine) == list(expected)
        for name, array in expected.items():
            close(mine[name], array, ROW)


@pytest.mark.parametrize(("cell", "returns"), [*((c, "all") for c in CELLS), ("lstm", "last"), ("lstm", "state")])
def test_both_ways_on_turned_rows_is_with_the_directions_exchanged(cell, returns, rng):
    layer = made(cell, {"all": "both", "last": "both_last", "state": "both_state"}[returns])
    x, states, error, errors = problem(layer, rng)
    y, ends, pulled, pulled_states, gradients = ran(layer, x, states, error, errors, lengths=LENGTHS)

    def exchanged(name):
        return name.replace("forward", "?").replace("backward", "forward").replace("?", "backward")

    weights = values_of(layer)
    fill(layer, {name: weights[exchanged(name)] for name in weights})
    flip = turned if returns == "all" else np.array

    def swapped(a):
        return np.concatenate(np.split(a, 2, axis=-1)[::-1], axis=-1)

    given = {name: states[exchanged(name)] for name in states}
    other = ran(layer, turned(x), given, flip(swapped(error)), errors, lengths=LENGTHS)
    fill(layer, weights)
    close(flip(swapped(other[0])), y, ROW)
    close(turned(other[2]), pulled, ROW)
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
def test_last_and_state_are_what_all_steps_end_with(cell, kind, reverse, rng):
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


# ---------------------------------------------------------------------- layers and Scans in a graph
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_layer_is_its_scan(cell, reverse, rng):
    layer = made(cell, "backwards" if reverse else "forwards")
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
    found = ran(layer, x, states, error, errors, lengths=LENGTHS)
    np.testing.assert_array_equal(found[0], outputs["y"])
    np.testing.assert_array_equal(found[2], pulled["x"])
    for name in drawn.states:
        np.testing.assert_array_equal(found[1][name], outputs[name])
        np.testing.assert_array_equal(found[3][name], pulled[name])
    for path, gradient in found[4].items():
        np.testing.assert_array_equal(gradient, runner.parameters[path].gradient)


# ---------------------------------------------------------------------- numeric derivatives
DERIVED = [name for name in ARRANGEMENTS if "truncated" not in name and name != "clipped"]


@pytest.mark.parametrize("arrangement", DERIVED)
@pytest.mark.parametrize("cell", ["lstm", "gru_after"])
def test_numeric_derivatives(cell, arrangement, rng):
    """Of a random function of outputs and final states, along a random direction in each array by itself."""
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng)
    _, _, pulled, pulled_states, gradients = ran(layer, x, states, error, errors, lengths=LENGTHS)
    x, error, values = np.nan_to_num(x), np.nan_to_num(error), values_of(layer)
    names = list(layer.graph.outputs)[1:]

    def loss(x=x, states=states):
        y = layer.forward(x, **states, lengths=LENGTHS)
        ends = {name.replace("/", "_"): a for name, a in layer.state.items()}
        return (y * error).sum() + sum((ends[n] * e).sum() for n, e in zip(names, errors, strict=True))

    def with_weights(path, value):
        fill(layer, {**values, path: value})
        found = loss()
        fill(layer, values)
        return found

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
    """With the same draws each time, dropout of inputs, of states and between layers is a function like any other."""
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


# ---------------------------------------------------------------------- masks, axes, one sequence
SOME = pytest.mark.parametrize(
    ("cell", "arrangement"),
    [
        *((c, "forwards") for c in ("lstm", "attention", "clockwork")),
        *(("lstm", a) for a in ("both", "stack", "both_last", "learned", "residual_both", "projected_out")),
    ],
)


@SOME
def test_a_row_with_a_mask_is_the_row_without_the_missing_steps(cell, arrangement, rng):
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng, lengths=None)
    mask = rng.random((T, B)) < 0.6
    mask[:, 1], mask[:, 2], mask[:-1, 3], mask[-1, 3] = False, True, False, True
    there = np.where(mask[:, :, None], x, np.nan)
    back = np.where(mask[:, :, None], error, np.nan) if over_time(layer) else error
    y, ends, pulled, pulled_states, gradients = ran(layer, there, states, back, errors, mask=mask)
    assert not pulled[~mask].any()
    assert not over_time(layer) or not y[~mask].any()
    total = {path: np.zeros_like(g) for path, g in gradients.items()}
    for b in range(B):
        one, steps = slice(b, b + 1), mask[:, b] if mask[:, b].any() else slice(None)
        alone = ran(
            layer,
            x[steps, one],
            {name: a[one] for name, a in states.items()},
            error[steps, one] if over_time(layer) else error[one],
            [e[one] for e in errors],
            lengths=None if mask[:, b].any() else [0],
        )
        close(y[steps, b] if over_time(layer) else y[b], alone[0][:, 0] if over_time(layer) else alone[0][0], ROW)
        close(pulled[steps, b], alone[2][:, 0], ROW)
        for k, found in ((1, ends), (3, pulled_states)):
            for name, array in found.items():
                close(array[b], alone[k][name][0], ROW)
        for path, gradient in alone[4].items():
            total[path] += gradient
    for path, gradient in gradients.items():
        close(gradient, total[path], ROW)


@SOME
@pytest.mark.parametrize("masked", [False, True])
def test_batch_first_is_a_matter_of_axes(cell, arrangement, masked, rng):
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng)
    mask = np.arange(T)[::-1, None] < np.array(LENGTHS)  # the steps that are there come last

    def flipped(a):
        return a.swapaxes(0, 1)

    rows = ({"mask": mask}, {"mask": mask.T}) if masked else ({"lengths": LENGTHS}, {"lengths": LENGTHS})
    if masked:
        x, error = x[::-1], error[::-1] if over_time(layer) else error
    y, ends, pulled, pulled_states, gradients = ran(layer, x, states, error, errors, **rows[0])
    layer.batch_major = True
    try:
        back = flipped(error) if over_time(layer) else error
        other = ran(layer, flipped(x), states, back, errors, **rows[1])
    finally:
        layer.batch_major = False
    np.testing.assert_array_equal(other[0], flipped(y) if over_time(layer) else y)
    np.testing.assert_array_equal(other[2], flipped(pulled))
    for mine, expected in ((other[1], ends), (other[3], pulled_states), (other[4], gradients)):
        for name, array in expected.items():
            np.testing.assert_array_equal(mine[name], array)


@SOME
def test_one_sequence_is_a_batch_of_one(cell, arrangement, rng):
    layer = made(cell, arrangement)
    x, states, error, errors = problem(layer, rng, rows=1, lengths=None)
    y, ends, pulled, pulled_states, gradients = ran(layer, x, states, error, errors)
    other = ran(layer, x[:, 0], states, error[:, 0] if over_time(layer) else error, errors)
    close(other[0], y[:, 0] if over_time(layer) else y, ROW)
    close(other[2], pulled[:, 0], ROW)
    for mine, expected in ((other[1], ends), (other[3], pulled_states), (other[4], gradients)):
        for name, array in expected.items():
            close(mine[name], array, ROW)


# ---------------------------------------------------------------------- pieces
FORWARD = pytest.mark.parametrize(
    ("cell", "arrangement"),
    [
        *((c, "forwards") for c in ("lstm", "gru", "attention", "clockwork")),
        *(("lstm", a) for a in ("stack", "learned", "learned_stack", "residual", "projected_out")),
    ],
)


def kept(layer):
    """The layer with its memory on, at the beginning of new sequences."""
    layer.reset_state()
    layer.toggle_memory()
    return layer


@FORWARD
@pytest.mark.parametrize("cuts", [(2,), (1, 2, 4)])
def test_a_sequence_in_pieces_is_the_whole(cell, arrangement, cuts, rng):
    """Rows that have ended wait; a row that has no step in the first piece has not begun."""
    layer = made(cell, arrangement)
    x = rng.normal(size=(T, B, D))
    y = layer.forward(x, lengths=LENGTHS)
    ends = {name: array.copy() for name, array in layer.state.items()}
    found = []
    kept(layer)
    try:
        for begin, end in zip((0, *cuts), (*cuts, T), strict=True):
            left = np.clip(np.array(LENGTHS) - begin, 0, end - begin)
            found.append(layer.forward(x[begin:end], lengths=left))
    finally:
        layer.toggle_memory()
    close(np.concatenate(found), y, ROW)
    for name, array in ends.items():
        close(layer.state[name], array, ROW)


@FORWARD
def test_rows_that_are_reset_begin_anew(cell, arrangement, rng):
    """Each row of the next piece is the row alone: from where it was, or from the beginning; errors stop between pieces."""
    layer = made(cell, arrangement)
    first, x = rng.normal(size=(2, B, D)), rng.normal(size=(T, B, D))
    error, anew = rng.normal(size=layer.forward(x).shape), [0, 3]
    kept(layer)
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
