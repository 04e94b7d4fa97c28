"""Layers without weights, and Embedding and LayerNormalization, against closed forms."""

import numpy as np
import pytest
from helpers.numeric_gradient import close, numeric

from graphnet import (
    Add,
    Affine,
    BatchNormalization,
    Builder,
    Concatenate,
    Embedding,
    Flatten,
    FullyConnected,
    Last,
    LayerNormalization,
    MeanOverTime,
    Multiply,
    Phase,
    Reshape,
    Runner,
    Shape,
    Split,
    StateError,
    Subtract,
)


def arrays(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def built(layer, *shapes):
    g = Builder("m")
    return Runner(g.build(y=layer(*(g.input(f"x{i}", shape) for i, shape in enumerate(shapes)), name="node")))


# ------------------------------------------------------------------ rows rearranged
@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3), (4, 2, 3, 5), (1, 1, 1, 1), (4,)])
def test_flatten(shape):
    x, layer = np.arange(float(np.prod(shape))).reshape(shape), Flatten()
    y = layer.forward(x)
    assert y.shape == (shape[0], np.prod(shape[1:], dtype=int))
    for row, image in zip(y, x, strict=True):
        np.testing.assert_array_equal(row, np.ravel(image, order="C"))
    np.testing.assert_array_equal(layer.backward(y * 2), x * 2)
    y[:] = -1
    assert x.min() == 0
    assert not layer.trainable
    layer.phase = Phase.test
    np.testing.assert_array_equal(layer.forward(x), x.reshape(shape[0], -1))


def test_flatten_and_weights():
    layer = Flatten()
    with pytest.raises(StateError, match="no weights"):
        layer.get_weights()
    with pytest.raises(StateError, match="Call forward"):
        layer.backward(np.ones((1, 1)))
    assert layer.calculate_regularization_loss() == 0


def test_reshape_keeps_batch_and_time():
    (x,) = arrays((5, 4, 6))
    np.testing.assert_array_equal(Reshape((3, -1)).forward(x[0]), [[row[:2], row[2:4], row[4:]] for row in x[0]])
    sequence = built(Reshape((3, 1, 2)), "time, batch, feature")
    y = sequence.forward({"x0": x}, lengths=[5, 1, 0, 2])["y"]
    assert y.shape == (5, 4, 3, 1, 2)
    np.testing.assert_array_equal(y[4, 0], x[4, 0].reshape(3, 1, 2))
    assert not y[1:, 1].any()
    assert Reshape([2, 3]).shape == (2, 3)


# ------------------------------------------------------------------ elementwise
def test_elementwise_layers_match_formulas():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[10.0], [20.0]])
    error = np.array([[1.0, -1.0], [2.0, 0.5]])
    for layer, y, pulled_a, pulled_b in [
        (Add(), [[11, 12], [23, 24]], error, [[0], [2.5]]),
        (Subtract(), [[-9, -8], [-17, -16]], error, [[0], [-2.5]]),
        (Multiply(), [[10, 20], [60, 80]], [[10, -10], [40, 10]], [[-1], [8]]),
    ]:
        np.testing.assert_array_equal(layer.forward(a, b), y)
        for result, expected in zip(layer.backward(error), (pulled_a, pulled_b), strict=True):
            np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(Affine(-2, 3).forward(a), [[1, -1], [-3, -5]])


def test_one_value_twice():
    (x, error) = arrays((3, 2), (3, 2))
    for make, slope in ((Multiply, 2 * x), (Add, 2), (Subtract, 0)):
        g = Builder("m")
        value = g.input("x", "batch, feature")
        runner = Runner(g.build(y=make()(value, value)))
        runner.forward({"x": x})
        np.testing.assert_allclose(runner.backward({"y": error})["x"], error * slope, rtol=1e-14)


def test_operators_stand_for_layers():
    g = Builder("m")
    a, b = g.input("a", "batch, feature=3"), g.input("b", "batch, feature=3")
    z = Affine(0.5, 0.25)(a)
    runner = Runner(g.build(y=(1 - z) * a + z * b - b * 3))
    x, y = arrays((4, 3), (4, 3))
    share = 0.5 * x + 0.25
    np.testing.assert_allclose(runner.forward({"a": x, "b": y})["y"], (1 - share) * x + share * y - 3 * y, rtol=1e-13)


# ------------------------------------------------------------------ joining and cutting
def test_concatenate_and_split_are_inverse():
    a, b, c = arrays((4, 2), (4, 1), (4, 3))
    joined = Concatenate()
    y = joined.forward(a, b, c)
    np.testing.assert_array_equal(y, np.hstack([a, b, c]))
    for part, expected in zip(joined.backward(y), (a, b, c), strict=True):
        np.testing.assert_array_equal(part, expected)
    cut = Split((2, 1, 3))
    assert cut.output_ports() == ("part_0", "part_1", "part_2")
    for part, expected in zip(cut.forward(y), (a, b, c), strict=True):
        np.testing.assert_array_equal(part, expected)
    np.testing.assert_array_equal(cut.backward(a, b, c), y)
    for part, expected in zip(Split(3).forward(y), np.split(y, 3, 1), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_joining_channels():
    a, b = arrays((3, 2, 4, 5), (3, 1, 4, 5))
    np.testing.assert_array_equal(Concatenate(1).forward(a, b), np.concatenate([a, b], 1))
    np.testing.assert_array_equal(Concatenate(-3).forward(a, b), np.concatenate([a, b], 1))


def test_unused_part_has_zero_error():
    g = Builder("m")
    parts = Split(3)(g.input("x", "batch, feature=6"))
    runner = Runner(g.build(y=parts["part_1"]))
    (x, error) = arrays((4, 6), (4, 2))
    np.testing.assert_array_equal(runner.forward({"x": x})["y"], x[:, 2:4])
    np.testing.assert_array_equal(runner.backward({"y": error})["x"], np.pad(error, ((0, 0), (2, 2))))


def test_sizes_that_are_not_known_yet():
    known, free, batchless = (
        Shape.parse("batch=2, feature=4"),
        Shape.parse("batch=2, feature"),
        Shape.parse("batch, feature=4"),
    )
    join = Concatenate()
    assert str(join.infer(known, known)) == "(batch=2, feature=8)"
    assert str(join.infer(known, free)) == str(join.infer(free, known)) == "(batch=2, feature)"
    assert str(join.infer(batchless, known)) == "(batch=2, feature=8)"
    assert [str(s) for s in Split(2).infer(free)] == ["(batch=2, feature)"] * 2
    assert [str(s) for s in Split((1, 3)).infer(free)] == ["(batch=2, feature=1)", "(batch=2, feature=3)"]
    assert str(Reshape((2, -1)).infer(Shape.parse("batch, feature"))) == "(batch, channel=2, x)"
    assert str(Flatten().infer(Shape.parse("batch, channel=2, x"))) == "(batch, feature)"
    assert str(LayerNormalization().infer(free)) == "(batch=2, feature)"
    assert str(LayerNormalization(4).infer(free)) == str(BatchNormalization(4).infer(free)) == str(known)


# ------------------------------------------------------------------ over time
@pytest.mark.parametrize("inner", [(), (2,), (2, 3)])
@pytest.mark.parametrize("lengths", [[3, 1, 0, 2], None])
def test_last_and_mean_row_by_row(inner, lengths):
    (x,) = arrays((3, 4, *inner))
    names = "time, batch" + "".join(f", axis{i}" for i in range(len(inner)))
    for layer, of in ((Last(), lambda steps: steps[-1]), (MeanOverTime(), lambda steps: sum(steps) / len(steps))):
        y = built(layer, names).forward({"x0": x}, lengths=lengths)["y"]
        assert y.shape == (4, *inner)
        for row, count in enumerate(lengths or [3] * 4):
            steps = list(x[:count, row])
            np.testing.assert_allclose(y[row], of(steps) if steps else np.zeros(inner), rtol=1e-13)


def test_one_sequence_gives_a_batch_of_one():
    (x, error) = arrays((5, 2), (1, 2))
    for layer, expected, pulled in (
        (Last(), x[-1:], np.vstack([np.zeros((4, 2)), error])),
        (MeanOverTime(), x.mean(0, keepdims=True), np.tile(error / 5, (5, 1))),
    ):
        np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-14)
        np.testing.assert_allclose(layer.backward(error), pulled, rtol=1e-14)
        assert built(layer, "time, feature=2").forward({"x0": x})["y"].shape == (1, 2)


def test_integers_have_a_mean():
    assert MeanOverTime().forward([[[1, 2]], [[2, 5]]]).tolist() == [[1.5, 3.5]]


# ------------------------------------------------------------------ Embedding
def test_embedding_looks_up_rows():
    layer, rng = Embedding(5, 3), np.random.default_rng(0)
    layer.set_weights(rng.normal(size=(5, 3)))
    tokens = np.array([[1, 4], [1, 0], [1, 1]])
    y = layer.forward(tokens)
    for place in np.ndindex(*tokens.shape):
        np.testing.assert_array_equal(y[place], layer.get_weights()[tokens[place]])
    error = rng.normal(size=y.shape)
    assert layer.backward(error) is None
    hot = np.eye(5)[tokens].reshape(-1, 5)
    np.testing.assert_allclose(layer.get_gradient_weights(), hot.T @ error.reshape(-1, 3), rtol=1e-13, atol=1e-15)
    assert not layer.get_gradient_weights()[[2, 3]].any()
    assert Embedding(5, 3, dtype="float32").forward(tokens).dtype == np.float32
    for dtype in ("u1", "i2", ">i8"):
        np.testing.assert_array_equal(layer.forward(tokens.astype(dtype)), y)


def test_embedding_of_sequences_that_end_early():
    runner = built(Embedding(4, 2), "time, batch")
    tokens, lengths = np.array([[3.0, 1.0], [2.0, np.nan]]), [2, 1]
    y = runner.forward({"x0": tokens}, lengths=lengths)["y"]
    w = runner.parameters["node/weights"].value
    np.testing.assert_array_equal(y, [[w[3], w[1]], [w[2], [0, 0]]])
    runner.backward({"y": np.ones((2, 2, 2))})
    np.testing.assert_array_equal(runner.parameters["node/weights"].gradient, [[0, 0], [1, 1], [1, 1], [1, 1]])


# ------------------------------------------------------------------ LayerNormalization
def test_layer_normalization_matches_formula():
    x = np.array([[1.0, 2.0, 6.0], [0.0, 0.0, 0.0]])
    layer = LayerNormalization(epsilon=0.5)
    layer.forward(x)
    layer.weights, layer.bias = [1, 2, 3], [0.5, 0, -1]
    scale = 1 / np.sqrt(14 / 3 + 0.5)  # mean 3, deviations -2, -1, 3
    expected = [[-2 * scale + 0.5, -2 * scale, 9 * scale - 1], [0.5, 0, -1]]
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-14)


def test_layer_normalization_takes_each_row_by_itself():
    (x,) = arrays((5, 4, 3))
    layer = LayerNormalization(3)
    whole = built(layer, "time, batch, feature=3").forward({"x0": x})["y"]
    for phase in Phase:
        layer.phase = phase
        for place in np.ndindex(5, 4):
            np.testing.assert_allclose(layer.forward(x[place][None])[0], whole[place], rtol=1e-12)
    np.testing.assert_allclose(whole.mean(-1), 0, atol=1e-14)


def test_initial_layer_normalization_keeps_normal_rows():
    from graphnet.initializers import Constant

    layer = LayerNormalization(4)
    for _ in range(2):
        np.testing.assert_array_equal(layer.get_weights(), np.ones(4))
        np.testing.assert_array_equal(layer.bias, np.zeros(4))
        layer.weights, layer.bias = np.arange(4), np.arange(4)
        layer.initialize(Constant(3.0), Constant(4.0))


# ------------------------------------------------------------------ shared weights, cells
@pytest.mark.parametrize(
    "make", [lambda: FullyConnected(3, 3), lambda: BatchNormalization(3), lambda: LayerNormalization(3)]
)
def test_layer_used_twice_sums_gradients(make):
    layer = make()
    (w, x, error) = arrays(layer.get_weights().shape, (4, 3), (4, 3), seed=3)
    g = Builder("m")
    runner = Runner(g.build(y=layer(layer(g.input("x", "batch, feature=3"), name="a"), name="b")))

    def loss(weights):
        layer.set_weights(weights)
        return (runner.forward({"x": x})["y"] * error).sum()

    expected = numeric(loss, w)
    loss(w)
    pulled = runner.backward({"y": error})["x"]
    result = layer.get_gradient_weights()
    close(result, expected)
    close(pulled, numeric(lambda v: (runner.forward({"x": v})["y"] * error).sum(), x))
    bias = getattr(layer, "bias", None)
    if isinstance(bias, np.ndarray):
        gradient = layer.get_gradient_bias()

        def by_bias(values):
            layer.bias = values
            return (runner.forward({"x": x})["y"] * error).sum()

        close(gradient, numeric(by_bias, bias))


def test_an_embedding_in_two_places():
    layer, g = Embedding(4, 2), Builder("m")
    a, b = g.input("a", integer=True), g.input("b", integer=True)
    runner = Runner(g.build(y=layer(a, name="a_vectors") + layer(b, name="b_vectors") * 2))
    runner.forward({"a": np.array([1, 2]), "b": np.array([2, 0])})
    runner.backward({"y": np.ones((2, 2))})
    np.testing.assert_array_equal(layer.get_gradient_weights(), [[2, 2], [1, 1], [3, 3], [0, 0]])
