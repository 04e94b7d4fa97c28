"""What recurrent layers return, and the states and further inputs that they start from."""

import numpy as np
import pytest
from recurrent_layers import EVERY, LENGTHS, RNG, B, F, T, U, X, fill

from graphnet import (
    Cell,
    CellGraph,
    Embedding,
    Runner,
    Shape,
    concatenate,
    dense,
)
from graphnet.authoring import Input
from graphnet.initializers import Constant, Xavier
from graphnet_recurrent import (
    LSTM,
    Recurrent,
    gru_cell,
    lstm_cell,
    tanh,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


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
def test_output_layer_is_applied_to_result(returns):
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
def test_learned_initial_state_starts_every_row(cell):
    layer = fill(Recurrent(cell(), returns="last", learn_initial=True))
    names = layer.cell.states
    starts = {name: layer.graph.nodes[f"initial_{name}"].layer for name in names}
    if "phase" in starts:  # integers in range
        starts["phase"].set_weights([0.0, 1.0, 2.0])
    if "filled" in starts:
        starts["filled"].set_weights([1.0, 1.0, 0.0])
    passed = Recurrent(layer.cell, returns="last")
    rows = {name: np.tile(start.get_weights(), (B, 1)) for name, start in starts.items()}
    np.testing.assert_allclose(layer.forward(X), passed.forward(X, **rows), rtol=1e-12)

    error = np.random.default_rng(3).standard_normal(layer.forward(X).shape)
    layer.backward(error)
    for name in set(names) - {"phase", "filled"}:
        actual = starts[name].get_gradient_weights().copy()
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
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)


def test_learned_initial_state_starts_at_zeros():
    layer = LSTM(F, U, 2, learn_initial=True)
    layer.initialize(Xavier(), Constant(0.3))
    assert not layer.graph.nodes["initial_h"].layer.get_weights().any()
    assert list(layer.graph.inputs) == ["x"]
    plain = LSTM(F, U, 2)
    plain.set_weights(layer.get_weights())
    plain.set_output_weights(layer.get_output_weights())
    np.testing.assert_array_equal(layer.forward(X), plain.forward(X))


def test_initial_states_are_passed_by_name():
    layer = fill(Recurrent(lstm_cell(U)))
    h, c = np.random.default_rng(5).standard_normal((2, B, U))
    output = layer.forward(X, LENGTHS, c=c, h=h)
    error = np.random.default_rng(6).standard_normal(output.shape)
    runner = Runner(layer.graph)
    wanted = runner.forward({"x": X, "h": h, "c": c}, lengths=LENGTHS)["output"]
    pulled = runner.backward({"output": error})
    np.testing.assert_array_equal(output, wanted)
    for actual, name in zip(layer.backward(error), ("x", "c", "h"), strict=True):
        np.testing.assert_allclose(actual, pulled[name], rtol=1e-12)


def test_further_inputs_are_passed_by_name():
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


def test_sequences_of_tokens_and_images():
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
