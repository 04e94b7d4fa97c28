"""Full relative precision of values and slopes from the least subnormal number to infinity, alone and in a graph."""

import numpy as np
import pytest
import tails_oracle as oracle

from graphnet import Builder, Runner
from graphnet.losses import BinaryCrossEntropy, CrossEntropy
from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, SiLU, SoftMax, Softplus

pytestmark = pytest.mark.usefixtures("every_backend")

recurrent = pytest.importorskip("graphnet_recurrent")
Sigmoid, TanH = recurrent.Sigmoid, recurrent.TanH

#: Layer, oracle, units in the last place allowed for the value and for the slope.
LAYERS = [
    (Softplus(), oracle.softplus, 4, 5),
    (SiLU(), oracle.silu, 9, 9),
    (ELU(), oracle.elu, 3, 4),
    (GELU(), oracle.gelu, 6, 8),
    (HardSigmoid(), oracle.hard_sigmoid, 2, 1),
    (LeakyReLU(), oracle.leaky_relu, 1, 1),
    (Sigmoid(), oracle.sigmoid, 4, None),
    (TanH(), oracle.tanh, 4, None),
]
EACH = pytest.mark.parametrize(("layer", "function", "allowed", "slope"), LAYERS, ids=[repr(la[0]) for la in LAYERS])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def numbers(dtype):
    """Random numbers of every magnitude, the limits of exponentials, and the smallest and largest numbers."""
    rng = np.random.default_rng(97)
    least = np.finfo(dtype).smallest_subnormal
    ends = [
        -1e4,
        -745.1,
        -720.0,
        -103.9,
        -103.0,
        -95.0,
        -88.0,
        -87.3,
        -38.4,
        -20.0,
        -17.0,
        -14.4,
        17.0,
        20.0,
        37.0,
        1e4,
    ]
    drawn = [rng.uniform(-750, 40, 60), rng.uniform(-110, 40, 120), rng.uniform(-6, 6, 200), rng.normal(size=40) * 1e-6]
    return np.concatenate([ends, *drawn, [0.0, least, -least, 1e-37, -1e-37]]).astype(dtype)


def passes(layer, x):
    """Value and slope, computed without warnings."""
    with np.errstate(all="raise", under="ignore"):
        return layer.forward(x), layer.backward(np.ones_like(x))


@EACH
@DTYPES
def test_relative_precision(layer, function, allowed, slope, dtype):
    x = numbers(dtype)
    y, pulled = passes(layer, x)
    values, slopes = oracle.exact(function, x)
    errors = oracle.units(y, values)
    assert y.dtype == pulled.dtype == dtype and errors.max() <= allowed, (x[errors.argmax()], errors.max())
    away = np.ones(x.size, bool)
    if isinstance(layer, (SiLU, GELU)):  # the zero of the slope
        zero = -1.2784645 if isinstance(layer, SiLU) else -0.7517916
        away = np.abs(x - zero) > 0.3
    if slope is not None:
        errors = np.where(away, oracle.units(pulled, slopes), 0)
        assert errors.max() <= slope, (x[errors.argmax()], errors.max())
    np.testing.assert_allclose(pulled, np.array(slopes, float), rtol=0, atol=3 * np.finfo(dtype).eps)


@DTYPES
def test_sigmoid_slope_relative_precision(dtype):
    x = numbers(dtype)
    x = x[x < 0]
    _, pulled = passes(Sigmoid(), x)
    assert oracle.units(pulled, oracle.exact(oracle.sigmoid, x)[1]).max() <= 6


def test_approximate_gelu_tail_is_nonzero():
    x = np.linspace(-11.0, 6.0, 120, dtype=np.float32)
    y, pulled = passes(GELU(approximate=True), x)
    values, slopes = oracle.exact(oracle.gelu_approximate, x)
    assert oracle.units(y, values).max() <= 1
    assert oracle.units(pulled, slopes)[np.abs(x + 0.75) > 0.3].max() <= 2
    y, pulled = passes(GELU(approximate=True), x.astype(np.float64))
    np.testing.assert_allclose(y, np.array(values, float), rtol=1e-13)
    np.testing.assert_allclose(pulled[y < -0.2], np.array(slopes, float)[y < -0.2], atol=1e-14)


def test_elu_slope_keeps_the_tail():
    x = np.array([-30.0, -1.0, -1e-9, 2.0], np.float32)
    _, pulled = passes(ELU(2.5), x)
    np.testing.assert_allclose(pulled, [2.5 * np.exp(-30.0), 2.5 * np.exp(-1.0), 2.5, 1.0], rtol=3e-7)


LIMITS = [
    (Softplus(), [0, np.inf], [0, 1]),
    (SiLU(), [0, np.inf], [0, 1]),
    (ELU(2.0), [-2, np.inf], [0, 1]),
    (GELU(), [0, np.inf], [0, 1]),
    (GELU(approximate=True), [0, np.inf], [0, 1]),
    (HardSigmoid(), [0, 1], [0, 0]),
    (Sigmoid(), [0, 1], [0, 0]),
    (TanH(), [-1, 1], [0, 0]),
]


@pytest.mark.parametrize(("layer", "values", "slopes"), LIMITS, ids=[repr(case[0]) for case in LIMITS])
@DTYPES
def test_infinities_give_limits(layer, values, slopes, dtype):
    y, pulled = passes(layer, np.array([-np.inf, np.inf, np.nan], dtype))
    np.testing.assert_array_equal(y, [*values, np.nan])
    np.testing.assert_array_equal(pulled[:2], slopes)
    assert isinstance(layer, HardSigmoid) or np.isnan(pulled[2])


# ------------------------------------------------------------------ in a graph
@DTYPES
def test_compiled_region_keeps_precision(dtype):
    layers = [case[0] for case in LAYERS if not isinstance(case[0], GELU)]
    g = Builder()
    x = g.input("x", "batch, feature=1")
    graph = g.build(**{f"y{i}": layer(x) for i, layer in enumerate(layers)})
    inputs = numbers(dtype)[:, None]
    compiled, plain = Runner(graph), Runner(graph, backend="reference")
    actual, expected = compiled.forward({"x": inputs}), plain.forward({"x": inputs})
    # Native code has exp, log and tanh of its own, with relative errors of up to 5 units each, and a rule has several.
    units = 2 if compiled.backend == "numpy" else 16
    assert [part.kind for part in graph.explain(batch=len(inputs), dtype=dtype).parts] == ["nodes"]
    for layer, (name, y) in zip(layers, actual.items(), strict=True):
        np.testing.assert_array_max_ulp(y, expected[name], units)
        error = {name: np.ones_like(y)}
        slopes, right = compiled.backward(error)["x"], plain.backward(error)["x"]
        if isinstance(layer, TanH) and units > 2:  # 1 - y² keeps the absolute error of y, whichever tanh it is
            np.testing.assert_allclose(slopes, right, rtol=0, atol=10 * np.finfo(dtype).eps)
        else:
            np.testing.assert_array_max_ulp(slopes, right, units)


# ------------------------------------------------------------------ losses
@DTYPES
def test_cross_entropy_keeps_small_losses(dtype):
    x, labels = np.array([[2.0, 22.0, -5.0], [31.0, 1.0, 2.5]], dtype), np.array([1, 0])
    rest = [np.exp(-20.0) + np.exp(-27.0), np.exp(-30.0) + np.exp(-28.5)]
    value, error = CrossEntropy(reduction="sum").value_and_error(x, labels)
    rtol = 1e-6 if dtype == "float32" else 1e-14
    assert value == pytest.approx(np.log1p(rest).sum(), rel=rtol)
    np.testing.assert_allclose(error[[0, 1], labels], -np.array(rest) / (1 + np.array(rest)), rtol=rtol)
    layer, one_hot = SoftMax(), np.eye(3)[labels]
    assert layer.forward(x, one_hot) == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(layer.backward(one_hot), error, rtol=1e-6)
    layer = SoftMax(axis=0)
    assert layer.forward(x.T.copy(), one_hot.T) == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(layer.backward(one_hot.T).T, error, rtol=1e-6)


def test_cross_entropy_with_smoothing_and_ties():
    x = np.random.default_rng(3).normal(size=(9, 4)) * 4
    x[4] = 2.0
    labels = np.arange(9) % 4
    y = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    for share in (0.0, 0.3):
        q = (1 - share) * np.eye(4)[labels] + share / 4
        value, error = CrossEntropy(reduction="sum", label_smoothing=share).value_and_error(x, labels)
        assert value == pytest.approx(-(q * np.log(y)).sum(), rel=1e-12)
        np.testing.assert_allclose(error, y - q, atol=1e-14)


@DTYPES
def test_binary_cross_entropy_keeps_both_tails(dtype):
    x = np.array([-100.0, -20.0, -17.0, 17.0, 20.0, 80.0], dtype)
    for label, side in ((0.0, 1), (1.0, -1)):
        loss = BinaryCrossEntropy(reduction="sum")
        values = [loss.value(x[i : i + 1], [label]) for i in range(x.size)]
        exact, slopes = oracle.exact(oracle.softplus, side * x)
        assert oracle.units(np.array(values, dtype), exact).max() <= 4
        assert oracle.units(loss.error(x, np.full(x.size, label)) * side, slopes).max() <= 4


@DTYPES
def test_softmax_slope_near_one_is_nonzero(dtype):
    x = np.array([[25.0, 0.0, 3.0]], dtype)
    layer = SoftMax()
    layer.forward(x)
    rest = np.exp(-25.0) + np.exp(-22.0)
    pulled = layer.backward(np.array([[1.0, 0.0, 0.0]], dtype))
    np.testing.assert_allclose(pulled, [[rest, -np.exp(-25.0), -np.exp(-22.0)]], rtol=1e-6)
    layer.forward(x)
    np.testing.assert_array_equal(layer.backward(np.full((1, 3), 7.0, dtype)), np.zeros((1, 3)))
