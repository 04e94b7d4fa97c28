"""The logistic function that the core offers to authors of layers."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from graphnet import Add, Builder, Cell, Layer, Runner, Scan
from graphnet.authoring import inside_scan, logistic
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.symbol import Symbol

pytestmark = pytest.mark.slow


class Gate(Layer):
    """A logistic gate that keeps its activation."""

    def apply(self, x):
        y = logistic(x)
        return y, y

    def pull(self, y, error):
        return error * (y * (1.0 - y))


def exact(x):
    """In 50 digits, rounded once."""
    with localcontext() as context:
        context.prec, context.Emin = 50, -(10**9)
        return np.array([float(1 / (1 + (-Decimal(float(v))).exp())) for v in x.ravel()]).reshape(x.shape)


def symbol(leaf):
    trace = Trace()
    return Symbol(trace, trace.leaf(leaf, 0, "rows", (3,)), (2, 3), (2,), np.float32)


def test_logistic_of_a_symbol_depends_on_the_loop():
    for leaf, expected in (("state", "add"), ("sequence", "divide")):
        x = symbol(leaf)
        assert inside_scan(x) == (leaf == "state")
        assert x.trace[logistic(x).value].name == expected
    assert not inside_scan(np.ones(3))


@pytest.mark.parametrize(("dtype", "end"), [("float32", 104), ("float64", 746)])
def test_logistic_has_relative_precision_everywhere(dtype, end):
    x = np.concatenate([np.linspace(-end, 40, 700), [1e4, -1e4, 0.0, np.finfo(dtype).smallest_subnormal]]).astype(dtype)
    right = exact(x)
    with np.errstate(all="raise"):
        y = logistic(x)
    assert y.dtype == dtype
    assert (np.abs(y - right) / np.spacing(right.astype(dtype))).max() <= 4
    np.testing.assert_array_equal(logistic(np.array([np.inf, -np.inf, np.nan], dtype)), [1, 0, np.nan])


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 6e-8), ("float64", 1.2e-16)])
def test_logistic_inside_a_scan_has_absolute_precision(dtype, bound):
    cell, g = Cell("gate", sequences="x", states={"h": 1}), Builder()
    scan = Scan(cell.build(output=Gate()(cell.x), h=Add()(cell.h, cell.x)))
    y, _ = scan(g.input("x", "time, batch, feature=1"), None)
    graph = g.build(y)
    x = np.linspace(-110, 110, 4001).astype(dtype).reshape(-1, 1, 1)
    right = exact(x)
    compiled = Runner(graph, backend="numpy").forward({"x": x})["output"]
    assert np.abs(compiled - right).max() <= bound
    default = Runner(graph).forward({"x": x})["output"]  # native code: half of the relative error of its tanh, 3e-7
    assert np.abs(default - right).max() <= (1.5e-7 if dtype == "float32" else 5e-16)
    np.testing.assert_array_equal(default[[0, -1]].ravel(), [0, 1])
    reference = Runner(graph, backend="reference").forward({"x": x[:500]})["output"]
    np.testing.assert_array_equal(reference, logistic(x[:500]))
