"""Arrangements of any cell: where they start, what they return, masks, clipped errors, memory, axes, files."""

import copy

import numpy as np
import pytest

from graphnet import (
    Builder,
    Cell,
    CellGraph,
    ConfigError,
    DataError,
    DtypeError,
    Embedding,
    GraphnetError,
    Phase,
    Runner,
    Scan,
    Shape,
    ShapeError,
    StateError,
    concatenate,
    dense,
    using,
)
from graphnet.authoring import Input
from graphnet.initializers import Constant, Xavier
from graphnet.io import model_text, parse_model
from graphnet.optimizers import Sgd
from graphnet_recurrent import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    ClipError,
    First,
    InitialState,
    Recurrent,
    SequenceDropout,
    SequenceMask,
    Stack,
    attention_cell,
    clockwork_cell,
    elman_cell,
    gru_cell,
    layer_norm_lstm_cell,
    lstm_cell,
    minimal_gated_cell,
    peephole_lstm_cell,
    projected_lstm_cell,
    tanh,
)

pytestmark = pytest.mark.slow

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


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def fill(layer, seed=1, scale=0.5):
    """Weights around 0, also those that start at a constant."""
    layer.forward(X)
    rng = np.random.default_rng(seed)
    for owner in layer.graph.layers().values():
        for parameter in owner.params.values():
            parameter.value = scale * rng.standard_normal(parameter.value.shape)
    return layer


# ---------------------------------------------------------------------- what they return, where they start
@EVERY
@pytest.mark.parametrize("reverse", [False, True])
def test_last_and_state_are_parts_of_all(cell, reverse):
    whole = fill(Recurrent(cell(), reverse=reverse))
    outputs = whole.forward(X, LENGTHS)
    states = whole.state
    at = np.zeros(B, int) if reverse else LENGTHS - 1
    expected = np.where((LENGTHS > 0)[:, None], outputs[at, np.arange(B)], 0.0)
    last = Recurrent(whole.cell, reverse=reverse, returns="last")
    np.testing.assert_array_equal(last.forward(X, LENGTHS), expected)
    final = Recurrent(whole.cell, reverse=reverse, returns="state")
    np.testing.assert_array_equal(final.forward(X, LENGTHS), states[whole.cell.states[0]])


@pytest.mark.parametrize("returns", ["all", "last", "state"])
def test_what_is_returned_goes_through_the_output_layer(returns):
    bare = fill(Recurrent(gru_cell(U), returns=returns))
    layer = Recurrent(bare.cell, 2, returns=returns)
    plain = bare.forward(X, LENGTHS)
    output = layer.forward(X, LENGTHS)
    weights = layer.graph.nodes["output_layer"].layer.get_weights()
    expected = plain @ weights[:-1] + weights[-1]
    if returns == "all":
        expected[np.arange(T)[:, None] >= LENGTHS] = 0
    np.testing.assert_allclose(output, expected, rtol=1e-12)


@EVERY
def test_a_learned_initial_state_starts_every_row_and_has_its_derivative(cell):
    layer = fill(Recurrent(cell(), returns="last", learn_initial=True))
    names = layer.cell.states
    starts = {name: layer.graph.nodes[f"initial_{name}"].layer for name in names}
    if "phase" in starts:  # whole numbers, in their range
        starts["phase"].set_weights([0.0, 1.0, 2.0])
    if "filled" in starts:
        starts["filled"].set_weights([1.0, 1.0, 0.0])
    given = Recurrent(layer.cell, returns="last")
    rows = {name: np.tile(start.get_weights(), (B, 1)) for name, start in starts.items()}
    np.testing.assert_allclose(layer.forward(X), given.forward(X, **rows), rtol=1e-12)

    error = np.random.default_rng(3).standard_normal(layer.forward(X).shape)
    layer.backward(error)
    for name in set(names) - {"phase", "filled"}:
        found = starts[name].get_gradient_weights().copy()
        before = starts[name].get_weights()
        expected = np.zeros_like(before)
        for i in range(len(before)):
            sides = []
            for step in (1e-6, -1e-6):
                moved = before.copy()
                moved[i] += step
                starts[name].set_weights(moved)
                sides.append((layer.forward(X) * error).sum())
            expected[i] = (sides[0] - sides[1]) / 2e-6
        starts[name].set_weights(before)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_a_learned_initial_state_starts_at_zeros_and_is_no_input():
    layer = LSTM(F, U, 2, learn_initial=True)
    layer.initialize(Xavier(), Constant(0.3))
    assert not layer.graph.nodes["initial_h"].layer.get_weights().any()
    assert list(layer.graph.inputs) == ["x"]
    plain = LSTM(F, U, 2)
    plain.set_weights(layer.get_weights())
    plain.set_output_weights(layer.get_output_weights())
    np.testing.assert_array_equal(layer.forward(X), plain.forward(X))


def test_an_initial_state_is_given_by_name_and_has_an_error():
    layer = fill(Recurrent(lstm_cell(U)))
    h, c = np.random.default_rng(5).standard_normal((2, B, U))
    output = layer.forward(X, LENGTHS, c=c, h=h)
    error = np.random.default_rng(6).standard_normal(output.shape)
    runner = Runner(layer.graph)
    wanted = runner.forward({"x": X, "h": h, "c": c}, lengths=LENGTHS)["output"]
    pulled = runner.backward({"output": error})
    np.testing.assert_array_equal(output, wanted)
    for found, name in zip(layer.backward(error), ("x", "c", "h"), strict=True):
        np.testing.assert_allclose(found, pulled[name], rtol=1e-12)


def test_further_sequences_and_contexts_are_given_by_name():
    cell = Cell("two", sequences={"x": F, "y": 2}, states={"h": U}, contexts={"whole": 4})
    h = dense(concatenate(cell.x, cell.y, cell.h, cell.whole), U, name="mixed")
    layer = Recurrent(cell.build(output=h, h=h))
    y, whole = RNG.standard_normal((T, B, 2)), RNG.standard_normal((B, 4))
    output = layer.forward(X, y=y, whole=whole)
    w = layer.get_weights()
    state = np.zeros((B, U))
    for t in range(T):
        state = np.concatenate([X[t], y[t], state, whole, np.ones((B, 1))], axis=1) @ w
    np.testing.assert_allclose(output[-1], state, rtol=1e-10)
    shapes = [error.shape for error in layer.backward(np.ones_like(output))]
    assert shapes == [X.shape, y.shape, whole.shape]


# ---------------------------------------------------------------------- dropout and clipped errors
def test_one_mask_a_sequence_is_on_what_the_products_read():
    layer = fill(GRU(F, U, None, keep_input=0.6, keep_state=0.5))
    with using(np.random.default_rng(9)):
        output = layer.forward(X)
    rng = np.random.default_rng(9)
    on_input = (rng.random((B, F)) < 0.6) / 0.6
    on_state = (rng.random((B, U)) < 0.5) / 0.5
    assert 0 < (on_input > 0).mean() < 1 and 0 < (on_state > 0).mean() < 1
    reset, update, candidate = np.split(layer.get_weights(), 3, axis=1)
    h = np.zeros((B, U))
    one = np.ones((B, 1))
    for t in range(T):
        x, seen = X[t] * on_input, h * on_state
        v = np.concatenate([x, seen, one], axis=1)
        r, z = sigmoid(v @ reset), sigmoid(v @ update)
        n = np.tanh(np.concatenate([x, r * seen, one], axis=1) @ candidate)
        h = (1 - z) * n + z * h  # what is kept is whole
        np.testing.assert_allclose(output[t], h, rtol=1e-10)
    layer.phase = Phase.test
    plain = GRU(F, U, None)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer.forward(X), plain.forward(X), rtol=1e-12)


@EVERY
@pytest.mark.parametrize("options", [{"keep_state": 0.5, "keep_input": 0.7}, {"keep_state": 0.5, "clip_error": 0.05}])
def test_the_compiled_cell_is_the_one_that_is_run_node_by_node(cell, options):
    layer = fill(Recurrent(cell(), **options))
    error = np.random.default_rng(2).standard_normal(layer.forward(X).shape)
    found = []
    for backend in ("numpy", "reference"):
        runner = Runner(layer.graph, backend=backend)
        with using(np.random.default_rng(7)):
            output = runner.forward({"x": X}, lengths=LENGTHS)["output"]
        pulled = runner.backward({"output": error})["x"]
        found.append([output, pulled, *(p.gradient for p in runner.parameters.values())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@EVERY
@pytest.mark.parametrize(
    "options", [{}, {"keep_state": 0.5}, {"clip_error": 1.0}, {"learn_initial": True, "reverse": True}]
)
def test_the_cell_stays_compiled(cell, options):
    layer = fill(Recurrent(cell(), **options))
    told = str(layer._runner.completed().explain(batch=B, steps=T))
    scan = told.split("scan", 1)[1]
    assert "runs step by step" not in told
    assert "node by node" not in scan.split("output_layer")[0]


def clipped_by_hand(weights, x, error, limit):
    """An Elman network's way back with every error for the state clipped, and its gradient."""
    w, u = weights[:F], weights[F:-1]
    h = [np.zeros((x.shape[1], U))]
    for step in x:
        h.append(np.tanh(step @ w + h[-1] @ u + weights[-1]))
    carried, back, gradient = np.zeros_like(h[0]), np.zeros_like(x), np.zeros_like(weights)
    for t in reversed(range(len(x))):
        inner = (error[t] + carried) * (1 - h[t + 1] ** 2)
        back[t] = inner @ w.T
        gradient += np.concatenate([x[t], h[t], np.ones((len(inner), 1))], axis=1).T @ inner
        carried = np.clip(inner @ u.T, -limit, limit)
    return back, gradient


@pytest.mark.parametrize("limit", [0.01, 0.3, 50.0])
def test_the_error_for_the_state_is_clipped_at_every_step(limit):
    layer = fill(RNN(F, U, None, clip_error=limit), scale=1.0)
    output = layer.forward(X)
    error = np.random.default_rng(4).standard_normal(output.shape)
    back, gradient = clipped_by_hand(layer.get_weights(), X, error, limit)
    np.testing.assert_allclose(layer.backward(error), back, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.get_gradient_weights(), gradient, rtol=1e-10, atol=1e-12)
    plain = RNN(F, U, None)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(output, plain.forward(X))


def test_dropout_between_layers_and_residual_sums():
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


# ---------------------------------------------------------------------- both ways
def test_both_directions_are_the_cells_alone():
    there, back = lstm_cell(U), gru_cell(4)
    layer = fill(Bidirectional(there, back))
    forwards, backwards = Recurrent(there).forward(X, LENGTHS), Recurrent(back, reverse=True).forward(X, LENGTHS)
    np.testing.assert_array_equal(layer.forward(X, LENGTHS), np.concatenate([forwards, backwards], axis=2))
    last = Bidirectional(there, back, returns="last").forward(X, LENGTHS)
    at = np.where(LENGTHS > 0, LENGTHS - 1, 0)
    ends = np.concatenate([forwards[at, np.arange(B)], backwards[0]], axis=1)
    np.testing.assert_array_equal(last, ends)
    same = Bidirectional(there, copy.deepcopy(there), merge="add")
    inner = same.graph.nodes["backward"].layer
    np.testing.assert_allclose(same.forward(X), Recurrent(there).forward(X) + inner.forward(X), rtol=1e-12)


def test_a_mask_holds_for_every_sequence_of_a_cell():
    cell = Cell("two", sequences={"x": F, "z": 2}, states={"h": F})
    h = cell.x + dense(cell.z, F) + cell.h
    layer = fill_two(Recurrent(cell.build(output=h, h=h)))
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


def fill_two(layer):
    layer.forward(X, z=np.ones((T, B, 2)))
    return layer


def test_a_given_state_comes_before_the_kept_one():
    layer = fill(Recurrent(lstm_cell(U)))
    layer.toggle_memory()
    layer.forward(X)
    c, h = layer.state["c"].copy(), np.ones((B, U))
    found = layer.forward(X, h=h)
    fresh = Recurrent(layer.cell).forward(X, h=h, c=c)
    np.testing.assert_array_equal(found, fresh)


def test_tokens_and_images_are_sequences_too():
    words = Cell("tokens", sequences=["word"], states={"h": U})
    h = tanh(dense(concatenate(Embedding(7, 4)(words.word), words.h), U))
    built = words.build(output=h, h=h)
    inputs = {**built.inputs, "word": Input(Shape(("batch",), (None,)), integer=True)}
    cell = CellGraph(built.name, inputs, built.nodes, built.outputs, built.sequences, built.states)
    layer = Recurrent(cell, returns="last")
    tokens = np.random.default_rng(1).integers(0, 7, (T, B))
    assert layer.forward(tokens, LENGTHS).shape == (B, U)
    assert layer.backward(np.ones((B, U))) is None

    axes = "batch, channel=2, feature=3"
    pictures = Cell("sum", sequences={"x": axes}, states={"s": axes})
    s = pictures.x + pictures.s
    layer = Recurrent(pictures.build(output=s, s=s))
    x = RNG.standard_normal((T, B, 2, 3))
    np.testing.assert_allclose(layer.forward(x), np.cumsum(x, axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.backward(np.ones_like(x))[0], np.full((B, 2, 3), T), rtol=1e-12)


def test_the_second_direction_has_weights_of_its_own():
    layer = Bidirectional(lstm_cell(U))
    layer.forward(X)
    weights = layer.get_weights()
    assert len(weights) == 8
    pairs = [(name, name.replace("forward", "backward", 1)) for name in weights if name.startswith("forward")]
    assert all(not np.array_equal(weights[a], weights[b]) for a, b in pairs)


# ---------------------------------------------------------------------- masks and axes
def test_a_mask_passes_over_steps_anywhere_in_a_row():
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
def test_a_mask_without_gaps_is_lengths(returns):
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
def test_batch_major_turns_everything_that_has_time_and_batch(make):
    layer = fill(make())
    turned = copy.deepcopy(layer)
    turned.batch_major = True
    mask = RNG.random((T, B)) < 0.6
    for options in ({}, {"lengths": LENGTHS}, {"mask": mask}):
        expected = layer.forward(X, **options)
        error = np.random.default_rng(8).standard_normal(expected.shape)
        given = {"mask": mask.T} if "mask" in options else options
        np.testing.assert_array_equal(turned.forward(X.swapaxes(0, 1), **given), expected.swapaxes(0, 1))
        np.testing.assert_array_equal(turned.backward(error.swapaxes(0, 1)), layer.backward(error).swapaxes(0, 1))
    single = turned.forward(X[:, 0])
    np.testing.assert_array_equal(single, layer.forward(X[:, 0]))


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        ({"mask": np.ones((T, B + 1), bool)}, ShapeError, "mask does not fit"),
        ({"mask": np.full((T, B), 0.5)}, DtypeError, "must be boolean"),
        ({"mask": np.ones((T, B)), "lengths": LENGTHS}, ConfigError, "lengths and a mask"),
        ({"lengths": [7, 1, 1, 1]}, DataError, "outside"),
        ({"q": X}, ShapeError, "no such input"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(given, kind, told):
    layer = fill(Recurrent(lstm_cell(U)))
    layer.toggle_memory()
    output, state = layer.forward(X), layer.state
    with pytest.raises(kind, match=told):
        layer.forward(X, **given)
    assert layer.state is state
    assert layer.backward(np.ones_like(output)).shape == X.shape


# ---------------------------------------------------------------------- memory
@EVERY
def test_memory_goes_on_whatever_the_cell(cell):
    layer = fill(Recurrent(cell()))
    whole = layer.forward(X)
    layer.toggle_memory()
    layer.reset_state()
    parts = [layer.forward(X[start:stop]) for start, stop in ((0, 1), (1, 4), (4, 6))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)
    kept = {name: array.copy() for name, array in layer.state.items()}
    layer.reset_state([1, 3])
    for name, array in layer.state.items():
        assert not array[[1, 3]].any()
        np.testing.assert_array_equal(array[[0, 2]], kept[name][[0, 2]])
    again = layer.forward(X)
    np.testing.assert_allclose(again[:, [1, 3]], whole[:, [1, 3]], rtol=1e-12)
    assert not np.allclose(again[:, [0, 2]], whole[:, [0, 2]])
    layer.reset_state()
    assert layer.state is None
    np.testing.assert_allclose(layer.forward(X[:, :2]), whole[:, :2], rtol=1e-12)


def test_rows_that_are_reset_begin_at_the_learned_state():
    layer = fill(Recurrent(elman_cell(U), learn_initial=True))
    whole = layer.forward(X)
    layer.toggle_memory()
    layer.forward(X)
    layer.reset_state(np.array([True, False, False, False]))
    found = layer.forward(X)
    np.testing.assert_allclose(found[:, 0], whole[:, 0], rtol=1e-12)
    error = np.random.default_rng(2).standard_normal(found.shape)
    layer.backward(error)
    gradient = layer.graph.nodes["initial_h"].layer.get_gradient_weights()
    alone = copy.deepcopy(layer)
    alone.reset_state()
    alone.forward(X[:, :1])
    alone.backward(error[:, :1])
    np.testing.assert_allclose(gradient, alone.graph.nodes["initial_h"].layer.get_gradient_weights(), rtol=1e-10)


def test_the_state_is_visible_and_can_be_put_in_place():
    layer = fill(Stack([lstm_cell(U), gru_cell(4)]))
    layer.toggle_memory()
    layer.forward(X[:3])
    kept = {name: array.copy() for name, array in layer.state.items()}
    assert {name: array.shape for name, array in kept.items()} == {
        "layer_0/h": (B, U), "layer_0/c": (B, U), "layer_1/h": (B, 4),
    }  # fmt: skip
    following = layer.forward(X[3:])
    layer.state = kept
    np.testing.assert_array_equal(layer.forward(X[3:]), following)
    with pytest.raises(StateError, match="not the states"):
        layer.state = {"h": np.zeros((B, U))}
    with pytest.raises(StateError, match="batch size of the input"):
        layer.forward(X[:, :2])
    with pytest.raises(DataError, match="no such row"):
        layer.reset_state(9)


def test_what_goes_backwards_keeps_no_state():
    for layer in (Bidirectional(gru_cell(U)), RNN(F, U, 2, reverse=True), Stack([gru_cell(U)], bidirectional=True)):
        with pytest.raises(StateError, match="backwards"):
            layer.toggle_memory()
        layer.forward(X)
        layer.forward(X[:, :2])


# ---------------------------------------------------------------------- updates, files, refusals
@pytest.mark.parametrize(
    "make",
    [
        lambda: Recurrent(gru_cell(U), 2, returns="last", keep_state=0.8, learn_initial=True),
        lambda: Bidirectional(lstm_cell(U), None, 2, merge="add", returns="last"),
        lambda: Stack([elman_cell(U), gru_cell(U)], 2, residual=True, bidirectional=False, clip_error=1.0),
    ],
)
def test_training_lowers_the_loss(make):
    layer = make()
    layer.forward(X)
    layer.initialize(Xavier(), Constant(0.0))
    layer.set_optimizer(Sgd(0.05))
    target = RNG.standard_normal(layer.forward(X).shape)
    losses = []
    for _ in range(40):
        error = layer.forward(X) - target
        losses.append((error**2).sum())
        layer.backward(error)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Recurrent(attention_cell(4, 2), 2, 7, returns="last", learn_initial=False, keep_state=0.5),
        lambda: Recurrent(clockwork_cell(6, [1, 2]), learn_initial=True, clip_error=2.0),
        lambda: Bidirectional(gru_cell(U), lstm_cell(3), 2, merge="concatenate", returns="state"),
        lambda: Bidirectional(gru_cell(U), keep_input=0.5),
        lambda: Stack([elman_cell(U), gru_cell(U)], residual=True, keep_between=0.5),
        lambda: Stack([elman_cell(U, "float32"), gru_cell(4, "float32")], 3, bidirectional=True),
    ],
)
def test_a_model_file_holds_the_cell(make):
    builder = Builder("net")
    x = builder.input("x", f"time, batch, feature={F}")
    graph = builder.build(make()(x, name="part"))
    text = model_text(graph)
    again = parse_model(text).graph
    assert again == graph
    assert model_text(again) == text
    runner, other = Runner(graph), Runner(again)
    for each in (runner, other):
        each.materialize()
    assert runner.parameters.keys() == other.parameters.keys()
    for name, parameter in other.parameters.items():
        parameter.value = runner.parameters[name].value
    outputs = [r.forward({"x": X}, phase=Phase.test)["output"] for r in (runner, other)]
    np.testing.assert_array_equal(*outputs)


def test_a_mistake_in_a_cell_of_a_file_is_told_with_its_place():
    builder = Builder("net")
    x = builder.input("x", f"time, batch, feature={F}")
    text = model_text(builder.build(Recurrent(elman_cell(U))(x, name="part")))
    with pytest.raises(GraphnetError, match=r"nodes\.part\.with\.cell\.nodes\.hidden"):
        parse_model(text.replace("layer: FullyConnected", "layer: FullConnected"))
    with pytest.raises(GraphnetError, match="with.cell.*a cell"):
        parse_model(text.split("      cell:")[0] + "      cell: lstm\n    inputs: x\noutputs: {output: part}\n")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Recurrent(7), "cell"),
        (lambda: Recurrent(gru_cell(U), returns="some"), "returns"),
        (lambda: Recurrent(gru_cell(U), keep_state=0.0), "keep_state"),
        (lambda: Recurrent(gru_cell(U), keep_input=1.5), "keep_input"),
        (lambda: Recurrent(gru_cell(U), clip_error=-1.0), "clip_error"),
        (lambda: Recurrent(gru_cell(U), output_size=0), "output_size"),
        (lambda: Recurrent(gru_cell(U), bptt_length=0), "bptt_length"),
        (lambda: Recurrent(gru_cell(U), reverse=1), "reverse"),
        (lambda: Recurrent(only_a_state()), "no output besides its states"),
        (lambda: Recurrent(undeclared(), learn_initial=True), "needs the width of state"),
        (lambda: Recurrent(undeclared(), keep_state=0.5), "needs the width of state"),
        (lambda: Bidirectional(gru_cell(U), merge="mean"), "merge"),
        (lambda: Bidirectional(gru_cell(U), reverse=True), "reverse"),
        (lambda: Stack([]), "cells"),
        (lambda: Stack([gru_cell(U)] * 2), "cells"),
        (lambda: Stack([gru_cell(U)], keep_between=0), "keep_between"),
        (lambda: Stack([gru_cell(U)], bidirectional=True, residual=True, returns="last"), "returns"),
        (lambda: ClipError(0), "limit"),
        (lambda: InitialState(0), "units"),
        (lambda: SequenceDropout(0), "probability"),
        (lambda: SequenceMask(3, 2.0), "probability"),
        (lambda: First().forward(np.zeros(3)), "not a sequence"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(make, told):
    with pytest.raises(GraphnetError, match=told):
        make()


def undeclared():
    cell = Cell("sum", sequences="x", states="s")
    s = cell.x + cell.s
    return cell.build(output=s, s=s)


def only_a_state():
    cell = Cell("sum", sequences={"x": F}, states={"s": F})
    return cell.build(s=cell.x + cell.s)


def test_options_of_the_layers_with_sizes_keep_their_accessors():
    layer = fill(LSTM(F, U, 2, reverse=True, returns="last", learn_initial=True, keep_state=0.9, clip_error=3.0))
    assert layer.get_weights().shape == (F + U + 1, 4 * U)
    assert layer.get_output_weights().shape == (U + 1, 2)
    assert isinstance(layer.graph.nodes["scan"].layer, Scan)
    layer.backward(np.ones_like(layer.forward(X)))
    assert layer.get_gradient_weights().shape == layer.get_weights().shape


def test_gates_start_where_their_biases_say():
    layer = LSTM(F, U, None, input_bias=-3.0, forget_bias=2.0)
    layer.initialize(Xavier(), Constant(0.25))
    biases = np.split(layer.get_weights()[-1], 4)
    assert [set(b.tolist()) for b in biases] == [{-3.0}, {2.0}, {0.25}, {0.25}]
    assert repr(layer).endswith("forget_bias=2.0, input_bias=-3.0)")
    with pytest.raises(ConfigError, match="input_bias"):
        LSTM(F, U, None, input_bias=False)
