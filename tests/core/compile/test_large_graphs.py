"""Graphs whose depth or width must cost neither Python's stack nor time that grows faster than they do."""

from __future__ import annotations

import contextlib
import sys
import warnings

import numpy as np
import pytest

from graphnet import Builder, Cell, FullyConnected, Runner, Scan, dense, split
from graphnet.core.compile.analysis.verify import Contents
from graphnet.core.compile.passes import split as split_pass
from graphnet.core.compile.passes.stage import Staging
from graphnet.core.compile.program import BufferSlice
from graphnet.core.compile.trace.ir import ROWS, Roles, Trace
from graphnet_recurrent import tanh

LONG = 300


@contextlib.contextmanager
def shallow_stack():
    """Fewer frames than a chain of ``LONG`` operations needs; a compiler that fails warns, which is an error here."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 200)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        sys.setrecursionlimit(before)


def gradients_of(graph, **inputs):
    runner = Runner(graph, backend="numpy")
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = np.concatenate([np.ones_like(parameter.value[:1]), np.zeros_like(parameter.value[1:])])
    outputs = runner.forward(inputs)
    errors = runner.backward({name: np.ones_like(array) for name, array in outputs.items()})
    return outputs, errors, [parameter.gradient for parameter in runner.parameters.values()]


def test_columns_of_a_chain_of_branches_take_linear_time(monkeypatch):
    calls = []
    columns = split_pass._columns
    monkeypatch.setattr(split_pass, "_columns", lambda *arguments: calls.append(1) or columns(*arguments))
    g, expected = Builder("branches"), np.array([[0.3, -0.5, 0.7, 0.2]])
    y = g.input("x", "batch, feature=4")
    x = expected
    for _ in range(LONG):  # each value is read twice: without memory, 2**LONG ways lead back to x
        y, expected = tanh(y) + y * 0.01, np.tanh(expected) + expected * 0.01
    left, right = split(y, 2)
    with shallow_stack():
        outputs = Runner(g.build(left=left, right=tanh(right)), backend="numpy").forward({"x": x})
    np.testing.assert_allclose(outputs["left"], expected[:, :2], rtol=1e-12)
    np.testing.assert_allclose(outputs["right"], np.tanh(expected[:, 2:]), rtol=1e-12)
    assert LONG < len(calls) < 40 * LONG


def test_layer_that_is_used_many_times():
    g, layer = Builder("shared"), FullyConnected(1, 1, dtype="float64")
    y = g.input("x", "batch, feature=1")
    for _ in range(LONG):
        y = layer(y)  # w = 1 and b = 0, so y = x, dy/dw = LONG · x, dy/db = LONG
    with shallow_stack():
        outputs, errors, (gradient,) = gradients_of(g.build(y=y), x=np.array([[0.25], [2.0]]))
    np.testing.assert_allclose(outputs["y"].ravel(), [0.25, 2.0])
    np.testing.assert_allclose(errors["x"].ravel(), [1.0, 1.0])
    np.testing.assert_allclose(gradient.ravel(), [LONG * 2.25, LONG * 2.0])


def test_long_sum_that_absorbs_a_factor():
    g = Builder("sum")
    x = g.input("x", "batch, feature=1")
    y = dense(x, 1, dtype="float64")
    for _ in range(LONG - 1):
        y = y + dense(x, 1, dtype="float64")
    with shallow_stack():
        outputs, errors, gradients = gradients_of(g.build(y=tanh(y * 0.01)), x=np.array([[0.1]]))
    slope = 0.01 / np.cosh(0.01 * LONG * 0.1) ** 2
    np.testing.assert_allclose(outputs["y"].ravel(), np.tanh(0.01 * LONG * 0.1))
    np.testing.assert_allclose(errors["x"].ravel(), LONG * slope)
    assert len(gradients) == LONG
    np.testing.assert_allclose(np.ravel(gradients), np.tile([0.1 * slope, slope], LONG))


def test_long_sum_beside_the_product_with_a_state():
    c = Cell("cell", sequences={"x": 1}, states={"h": 1})
    known = dense(c.x, 1, dtype="float64")
    for _ in range(LONG - 1):
        known = known + dense(c.x, 1, dtype="float64")
    g = Builder("loop")
    scan = Scan(c.build(h=known + dense(c.h, 1, dtype="float64")))(g.input("x", "time, batch, feature=1"))
    with shallow_stack():
        outputs, errors, _ = gradients_of(g.build(h=scan), x=np.array([[[0.5]], [[-2.0]], [[1.0]]]))
    np.testing.assert_allclose(outputs["h"].ravel(), [-0.5 * LONG])
    np.testing.assert_allclose(errors["x"].ravel(), [LONG] * 3)


def test_contents_of_a_buffer_are_those_of_its_units():
    rng = np.random.default_rng(0)
    contents, units = Contents(), {}
    found = missed = 0
    for value in range(400):
        start, shift = int(rng.integers(20)), int(rng.integers(2))
        written = BufferSlice(0, start, start + int(rng.integers(1, 6)), shift)
        both = bool(rng.integers(2))
        contents.write(written, value, f"phase {value}", both)
        for other in (0, 1) if both else (shift,):
            overlapped = {units[other, u][0] for u in range(written.start, written.stop) if (other, u) in units}
            units = {at: held for at, held in units.items() if at[0] != other or held[0] not in overlapped}
        units |= {(shift, u): (value, u - start) for u in range(written.start, written.stop)}
        a, shift = int(rng.integers(25)), int(rng.integers(2))
        asked = BufferSlice(0, a, a + int(rng.integers(1, 4)), shift)
        held = [units.get((shift, u)) for u in range(asked.start, asked.stop)]
        if held[0] is not None and {h and h[0] for h in held} == {held[0][0]}:
            assert contents.written(asked, *held[0]) == f"phase {held[0][0]}"
            assert contents.written(asked, held[0][0], held[0][1] + 1) is None
            found += 1
        else:
            assert all(contents.written(asked, v, unit) is None for v in range(value) for unit in (0, 1, 2))
            missed += 1
    assert found > 50 and missed > 50
    contents.forget(0)
    assert contents.written(written, value, 0) is None


@pytest.mark.parametrize("count", [3, 30])
def test_each_input_is_staged_by_what_reads_it(count):
    trace = Trace()
    leaves = [trace.leaf("sequence", k, ROWS, (2,)) for k in range(count)]
    weight = trace.fixed("weight", (), ("w", "weights"), (2, 2))
    results = [trace.dot(v, weight) if k % 3 else trace.ufunc("tanh", v) for k, v in enumerate(leaves)]
    trace.roles = Roles((*results, leaves[-1]), ())
    staging = Staging(trace, ["before"] * len(trace), [("before", [v]) for v in results])
    found = [staging.copies(v, {"before", "after"}) for v in leaves]
    expected = [[] if k % 3 else ["before"] for k in range(count)]
    expected[-1] = ["before"]  # it is emitted, units first
    assert found == expected
