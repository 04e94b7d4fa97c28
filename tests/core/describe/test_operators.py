"""Operators, slices and ufuncs on values of a graph: against numpy, against finite differences, compiled and as files."""

import numpy as np
import pytest
from helpers.numeric_gradient import close, numeric

import graphnet
from graphnet import Builder, Cell, Runner, Scan, ShapeError
from graphnet.core.errors import GraphError
from graphnet.io import model_text, parse_model
from graphnet.layers import LearnedArray

ROW, COLUMN = np.array([0.5, -2.0, 3.0, 1.5]), np.array([[0.7]])
#: Each is called with values of a graph, and with the arrays.
EXPRESSIONS = {
    "divide": lambda a, b: a / b - 3 / b + a / 4,
    "power": lambda a, b: abs(a) ** b + b**2.5 + b**-1 + 2**a + np.float64(1.5) ** b,
    "whole powers": lambda a, b: a**3 + a**2 - a**0 + a**1 + b**-2 + a**40 * 1e-9,
    "root": lambda a, b: b**0.5 + np.sqrt(b) + np.square(a) + np.reciprocal(b),
    "sign": lambda a, b: -a + +b + np.negative(b) + np.abs(a) + np.fabs(a),
    "arrays": lambda a, b: a * ROW + ROW / b - b / ROW - (ROW - a) + np.abs(ROW) ** a,
    "row of a matrix": lambda a, b: a * ROW[None] + COLUMN * b + np.float32(0.5) * a + np.array(2.0) * b,
    "exponential": lambda a, b: np.exp(a) + np.expm1(b) + np.exp2(a),
    "logarithm": lambda a, b: np.log(b) + np.log1p(b) + np.log2(b) + np.log10(b),
    "waves": lambda a, b: np.sin(a) * np.cos(b) + np.tanh(a),
    "extrema": lambda a, b: np.maximum(a, 0.2) * np.minimum(ROW, b) + np.maximum(a, b) + np.logaddexp(a, b),
    "ufuncs of operators": lambda a, b: np.add(1, a) * np.subtract(ROW, b) / np.true_divide(b, 2) + np.multiply(a, b),
    "slices": lambda a, b: a[..., :2] * b[..., 1:3] + a[:, ::2] - b[..., ::-2] + a[...][..., -2:] * ROW[1:3],
}


def graph_of(expression, dtype=None):
    g = Builder("expression", dtype=dtype)
    return g.build(expression(g.input("a", "batch, feature=4"), g.input("b", "batch, feature=4")))


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression_equals_numpy(name):
    expression, rng = EXPRESSIONS[name], np.random.default_rng(4)
    arrays = {"a": rng.normal(size=(3, 4)), "b": rng.uniform(0.3, 2.0, size=(3, 4))}
    graph = parse_model(model_text(graph_of(expression))).graph
    runner = Runner(graph)
    expected = expression(*arrays.values())
    np.testing.assert_allclose(runner.forward(arrays)["output"], expected, rtol=1e-13)
    error = rng.normal(size=expected.shape)
    runner.forward(arrays)
    pulled = runner.backward({"output": error})
    for n, x in arrays.items():
        close(pulled[n], numeric(lambda v, n=n: (expression(*{**arrays, n: v}.values()) * error).sum(), x))


def everything_cell(dtype):
    """A cell with each expression, and with learned arrays, whose state is their mean."""
    cell = Cell("everything", sequences="x", states={"h": 4}, dtype=dtype)
    gain = graphnet.parameter(cell.x, 4, initial=ROW, name="gain")
    offset = graphnet.parameter(cell.x, 1, initial=None, name="offset")
    a, b = cell.x * np.exp(gain * 0.1) + offset * cell.h, 1.2 + np.sin(cell.h * gain) / 2
    parts = [np.tanh(expression(a, b)) for expression in EXPRESSIONS.values()]
    *wide, narrow = parts
    mean = sum(wide[1:], wide[0]) / len(parts) + np.tanh(gain) / 4
    h = graphnet.concatenate(mean[..., :2] + narrow, mean[..., 2:])
    return cell.build(output=h, h=h)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_everything_in_a_cell_is_compiled(dtype):
    rng, results = np.random.default_rng(1), {}
    x, error = (rng.normal(size=(9, 3, 4)).astype(dtype) for _ in range(2))
    for backend in ("reference", "numpy", "native"):
        graphnet.seed(3)
        g = Builder("model")
        runner = Runner(g.build(Scan(everything_cell(dtype))(g.input("x", "time, batch, feature=4"))), backend=backend)
        y = runner.forward({"x": x})["output"]
        errors = runner.backward({"output": error})["x"]
        results[backend] = [y, errors, *(p.gradient for p in runner.parameters.values())]
    expected = results.pop("reference")
    assert len(expected) == 4
    for found in results.values():
        for array, right in zip(found, expected, strict=True):
            assert array.dtype == right.dtype == dtype
            np.testing.assert_allclose(array, right, rtol=1e-9 if dtype == "float64" else 2e-3, atol=1e-4)
    part = next(p for p in runner.graph.explain(batch=3, steps=9).parts if p.kind == "Scan")
    assert part.reason is None


def test_learned_array_and_constants_in_files_and_weights(tmp_path):
    g = Builder("affine")
    x = g.input("x", "time, batch, feature=4")
    graph = g.build(x * graphnet.parameter(x, (4,), initial=[1, 2, 3, 4], name="gain") + ROW)
    text = model_text(graph)
    assert "[0.5, -2.0, 3.0, 1.5]" in text
    again = parse_model(text).graph
    assert again == graph
    runner = Runner(again)
    runner.materialize()
    graphnet.io.save_weights(tmp_path / "weights.safetensors", runner)
    assert list(runner.parameters) == ["gain/weights"]
    values = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(runner.forward({"x": values})["output"], values * [1, 2, 3, 4] + ROW)
    runner.backward({"output": values})
    np.testing.assert_allclose(runner.parameters["gain/weights"].gradient, (values**2).sum((0, 1)))


def test_initial_array_survives_initialize():
    layer = LearnedArray((2, 3), initial=np.arange(6).reshape(2, 3))
    layer.initialize(graphnet.initializers.Constant(9.0), graphnet.initializers.Constant(8.0))
    np.testing.assert_array_equal(layer.get_weights(), np.arange(6).reshape(2, 3))
    drawn = LearnedArray((2, 3), initial=None)
    drawn.initialize(graphnet.initializers.Constant(9.0), graphnet.initializers.Constant(8.0))
    assert (drawn.get_weights() == 9).all()


@pytest.mark.parametrize(
    ("shape", "use", "words"),
    [
        ("time, batch, feature=4", lambda x: x[..., :2, :], "split along the rows|rows"),
        ("time, batch, feature=4", lambda x: x[:, :2], "rows"),
        ("batch, feature=4", lambda x: x[..., 4:], "nothing is selected"),
        ("batch, feature=4", lambda x: x * np.ones((3, 4)), "more axes than a row"),
        ("batch, feature=4", lambda x: x * np.ones(3), "do not fit"),
    ],
)
def test_axis_that_does_not_fit_is_refused(shape, use, words):
    g = Builder("wrong")
    with pytest.raises(ShapeError, match=words):
        Runner(g.build(use(g.input("x", shape))))


def test_ufunc_without_layer_names_the_remedy():
    x = Builder("g").input("x", "batch, feature=4")
    with pytest.raises(GraphError, match=r"numpy\.arctan2.*write one"):
        np.arctan2(x, x)


def test_power_with_a_modulus_is_refused():
    with pytest.raises(GraphError, match="modulus"):
        pow(Builder("g").input("x", "batch, feature=4"), 2, 3)


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda x: np.tanh(x, out=np.zeros(4)), r"numpy\.tanh with out= cannot"),
        (lambda x: np.add.reduce(x), r"numpy\.add\.reduce cannot"),
    ],
)
def test_what_a_ufunc_does_beyond_its_call_is_named(use, text):
    with pytest.raises(GraphError, match=text):
        use(Builder("g").input("x", "batch, feature=4"))
