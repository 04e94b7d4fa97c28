"""New axes, sums over axes, products of matrices and vectors on values: against einsum and finite differences."""

import numpy as np
import pytest
from helpers.numeric_gradient import close, numeric

import graphnet
from graphnet import Builder, Runner, ShapeError
from graphnet.core.errors import ConfigError, GraphError
from graphnet.io import model_text, parse_model

#: Of values of a graph; of arrays, written otherwise. m: (rows, 2, 3), v: (rows, 3), w: (rows, 2).
EXPRESSIONS = {
    "matvec": (lambda m, v, w: np.matvec(m, v), lambda m, v, w: np.einsum("bij,bj->bi", m, v)),
    "vecmat": (lambda m, v, w: np.vecmat(w, m), lambda m, v, w: np.einsum("bi,bij->bj", w, m)),
    "vecdot": (lambda m, v, w: np.vecdot(m, v[:, None])[:, :], lambda m, v, w: np.einsum("bij,bj->bi", m, v)),
    "matmul": (lambda m, v, w: m @ np.swapaxes(m, -1, -2), lambda m, v, w: np.einsum("bij,bkj->bik", m, m)),
    "np.matmul": (lambda m, v, w: np.matmul(w[:, None], m), lambda m, v, w: np.einsum("bi,bij->bj", w, m)[:, None]),
    "outer": (lambda m, v, w: graphnet.outer_product(w, v), lambda m, v, w: np.einsum("bi,bj->bij", w, v)),
    "outer by hand": (lambda m, v, w: w[..., None] * v[..., None, :], lambda m, v, w: np.einsum("bi,bj->bij", w, v)),
    "sums": (
        lambda m, v, w: m.sum(-1) + np.sum(m, axis=2) + (m * v[:, None]).sum(axis=-1, keepdims=True).sum(-1),
        lambda m, v, w: 2 * m @ np.ones(3) + np.einsum("bij,bj->bi", m, v),
    ),
    "means": (
        lambda m, v, w: np.mean(m, axis=-2) * v + m.mean((-2, -1), keepdims=True).mean(axis=-1),
        lambda m, v, w: np.einsum("bij,bj->bj", m, v) / 2 + np.einsum("bij->b", m)[:, None] / 6,
    ),
    "new axes": (
        lambda m, v, w: v[:, None, :, None] * w[:, None, None, :] + np.expand_dims(v[..., :2], -1)[:, None, :1],
        lambda m, v, w: np.einsum("bi,bj->bij", v, w)[:, None] + v[:, 0][:, None, None, None],
    ),
    "clipped": (
        lambda m, v, w: np.clip(v, -0.5, 0.7) + np.clip(v, None, 0.1) * 2,
        lambda m, v, w: np.where(v < -0.5, -0.5, np.where(v > 0.7, 0.7, v)) + 2 * np.where(v > 0.1, 0.1, v),
    ),
    "transposed": (lambda m, v, w: np.matrix_transpose(m) * 2, lambda m, v, w: 2 * np.einsum("bij->bji", m)),
}
SHAPES = {"m": (4, 2, 3), "v": (4, 3), "w": (4, 2)}
DECLARED = {"m": "batch, row=2, column=3", "v": "batch, feature=3", "w": "batch, feature=2"}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression_equals_einsum(name):
    expression, expected = EXPRESSIONS[name]
    rng = np.random.default_rng(11)
    g = Builder("expression")
    graph = g.build(expression(*(g.input(n, DECLARED[n]) for n in SHAPES)))
    runner = Runner(parse_model(model_text(graph)).graph)
    arrays = {n: rng.normal(size=shape) for n, shape in SHAPES.items()}
    right = expected(*arrays.values())
    found = runner.forward(arrays)["output"]
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-14)
    error = rng.normal(size=right.shape)
    pulled = runner.backward({"output": error})
    for n, x in arrays.items():
        if n in graph.needed:
            close(pulled[n], numeric(lambda a, n=n: (expected(**{**arrays, n: a}) * error).sum(), x))


def test_heads_broadcast_in_products():
    rng = np.random.default_rng(2)
    s, q = rng.normal(size=(5, 3, 2, 4)), rng.normal(size=(5, 1, 4))
    g = Builder("shared query")
    graph = g.build(np.matvec(g.input("s", "batch, head=3, key=2, value=4"), g.input("q", "batch, head=1, value=4")))
    runner = Runner(graph)
    np.testing.assert_allclose(runner.forward({"s": s, "q": q})["output"], np.einsum("bhij,bj->bhi", s, q[:, 0]))
    error = rng.normal(size=(5, 3, 2))
    pulled = runner.backward({"output": error})["q"]
    np.testing.assert_allclose(pulled, np.einsum("bhij,bhi->bj", s, error)[:, None], rtol=1e-12)


def test_learned_matrix_for_a_vector_in_each_row():
    x = np.random.default_rng(3).normal(size=(7, 5, 2))
    g = Builder("a")
    value = g.input("x", "time, batch, feature=2")
    graph = g.build(graphnet.parameter(value, (2, 3), initial=[[1, 2, 3], [4, 5, 6]], name="a") * value[..., None])
    runner = Runner(graph)
    y = runner.forward({"x": x})["output"]
    np.testing.assert_allclose(y, x[..., None] * np.array([[1.0, 2, 3], [4, 5, 6]]))
    runner.backward({"output": y})
    np.testing.assert_allclose(runner.parameters["a/weights"].gradient, (x[..., None] * y).sum((0, 1)), rtol=1e-12)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda x, m: x @ m, "no matrix in each row.*dense"),
        (lambda x, m: m @ m, "sums over differ"),
        (lambda x, m: np.matvec(m, x[..., :2]), "sums over differ"),
        (lambda x, m: np.vecmat(x, x), "no matrix in each row"),
        (lambda x, m: m.sum(1).sum(-1), "keepdims=True"),
        (lambda x, m: m.sum(3), "not an axis inside the rows"),
        (lambda x, m: m.sum((1, -2)), "given twice"),
        (lambda x, m: m.swapaxes(-1, -3), "not an axis inside the rows"),
        (lambda x, m: x[:, :, :, None], "not a place"),
        (lambda x, m: x.expand_dims(-3), "not a place"),
    ],
)
def test_axes_that_do_not_fit_are_refused(use, words):
    g = Builder("wrong")
    with pytest.raises(ShapeError, match=words):
        Runner(g.build(use(g.input("x", "batch, feature=3"), g.input("m", "batch, row=2, column=3"))))


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda x: np.sum(x), "axis=-1"),
        (lambda x: x.mean(0), "axis=-1"),
        (lambda x: x.sum(-1, keepdims=1), "keepdims"),
        (lambda x: np.sum(x, axis=-1, dtype="float32"), "these arguments.*dtype"),
        (lambda x: x[None], "before the first"),
        (lambda x: x @ np.ones((3, 3)), "@ with an array.*dense"),
        (lambda x: np.median(x), r"numpy\.median"),
        (lambda x: np.einsum("bi,bj->bij", x, x), "outer_product"),
        (lambda x: x.T, "swapaxes"),
        (lambda x: np.linalg.norm(x), "unit_normalization"),
    ],
)
def test_what_arrays_do_and_rows_do_not_is_refused(use, words):
    with pytest.raises(GraphError, match=words):
        use(Builder("g").input("x", "batch, feature=3"))


def test_axis_of_new_axis_is_checked():
    with pytest.raises(ConfigError, match="axis"):
        Builder("g").input("x", "batch, feature=3").expand_dims("a")


def test_root_mean_square_and_unit_length():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3, 2, 5))
    rms, unit = graphnet.RMSNormalization(5, epsilon=0.2), graphnet.UnitNormalization(epsilon=0.1)
    gain = rng.normal(size=5)
    rms.set_weights(gain)
    expected = [gain * x / np.sqrt(np.var(x, -1, keepdims=True) + x.mean(-1, keepdims=True) ** 2 + 0.2),
                x / np.hypot(np.linalg.norm(x, axis=-1, keepdims=True), np.sqrt(0.1))]  # fmt: skip
    for layer, right in zip([rms, unit], expected, strict=True):
        np.testing.assert_allclose(layer.forward(x), right, rtol=1e-12)
    scaled = graphnet.Gain(initial=2.0)
    np.testing.assert_array_equal(scaled.forward(x), 2 * x)
    scaled.initialize(graphnet.initializers.Constant(9.0), graphnet.initializers.Constant(8.0))
    np.testing.assert_array_equal(scaled.get_weights(), np.full(5, 2.0))
