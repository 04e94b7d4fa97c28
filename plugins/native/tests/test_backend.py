"""Cells and graphs by native code give what the reference backend gives."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from small_layers import Logistic, Normalize, Rectify, Tanh

import graphnet
from graphnet import Builder, Cell, FullyConnected, Runner, Scan, concatenate
from graphnet_native import backend, bounds, executable
from graphnet_native.executable import NativeExecutable

TOLERANCE = {"float32": 1e-5, "float64": 1e-9}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def gated(units, dtype):
    """A gate, a candidate and two states, one of them normalized."""
    cell = Cell("gated", sequences="x", states={"h": units, "c": units})
    both = concatenate(cell.x, cell.h)
    gate = Logistic()(FullyConnected(None, units, dtype=dtype)(both))
    candidate = Tanh()(FullyConnected(None, units, dtype=dtype)(both))
    c = gate * cell.c + candidate
    h = Rectify()(Normalize()(c)) * gate
    return cell.build(output=h, h=h, c=c)


def lean(units, dtype):
    """Everything whose loops depend on the number of units, once: a product, an elementwise run, a sum over units."""
    cell = Cell("lean", sequences="x", states={"h": units})
    h = Normalize()(Tanh()(FullyConnected(None, units, dtype=dtype)(concatenate(cell.x, cell.h))))
    return cell.build(output=h, h=h)


def everything(graph, inputs, dtype, name, lengths=None):
    """Outputs, errors and gradients of a pass in both directions; a backend runs another one like it before."""
    runner = Runner(graph, backend=name)
    runner.materialize()
    rng = np.random.default_rng(5)
    for parameter in runner.parameters.values():
        parameter.value = rng.uniform(-0.5, 0.5, parameter.value.shape).astype("float32").astype(parameter.value.dtype)
    if name != "reference":  # what a pass leaves behind must not matter to the next one
        before = runner.forward({n: x[::-1] for n, x in inputs.items()}, lengths=lengths)
        runner.backward({n: y[::-1] for n, y in before.items()})
    graphnet.seed(0)
    outputs = runner.forward(inputs, lengths=lengths)
    errors = {n: rng.normal(size=y.shape).astype("float32").astype(dtype) for n, y in outputs.items()}
    pulled = runner.backward(errors)
    gradients = {n: p.gradient for n, p in runner.parameters.items()}
    return {**outputs, **{f"error {n}": e for n, e in pulled.items()}, **gradients}


def scan(units, features, dtype, make=gated):
    builder = Builder("scanned")
    x = builder.input("x", f"time, batch, feature={features}")
    return builder.build(Scan(make(units, dtype))(x))


def check(graph, inputs, dtype, lengths=None, tolerance=None):
    expected = everything(graph, {n: x.astype("float64") for n, x in inputs.items()}, "float64", "reference", lengths)
    result = everything(graph, inputs, dtype, "native", lengths)
    assert result.keys() == expected.keys()
    for name, array in result.items():
        scale = max(1.0, np.abs(expected[name]).max(initial=0))
        np.testing.assert_allclose(
            array, expected[name], rtol=0, atol=(tolerance or TOLERANCE[dtype]) * scale, err_msg=name
        )


@pytest.fixture
def _native_only(monkeypatch):
    """A program that has no native code fails the test."""

    def refuse(*arguments):
        raise AssertionError("numpy was asked to run a program")

    monkeypatch.setattr(backend, "Executable", refuse)


@pytest.mark.usefixtures("_native_only")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8, 9, 16, 17, 20, 33])
def test_cell_with_every_batch(batch, dtype):
    rng = np.random.default_rng(batch)
    x = rng.normal(size=(11, batch, 5)).astype(dtype)
    check(scan(7, 5, dtype), {"x": x}, dtype)
    check(scan(7, 5, dtype), {"x": x}, dtype, lengths=rng.integers(0, 12, batch))


@pytest.mark.usefixtures("_native_only")
@pytest.mark.parametrize("units", [1, 2, 3, 4, 8, 12, 13, 16, 24, 31, 48, 63, 70])
def test_cell_with_many_units(units):
    rng = np.random.default_rng(units)
    for batch in (1, 6):
        x = rng.normal(size=(9, batch, units % 7 + 1)).astype("float64")
        check(scan(units, x.shape[2], "float64"), {"x": x}, "float64")


@pytest.mark.slow
@pytest.mark.usefixtures("_native_only")
@pytest.mark.parametrize("first", range(1, 71, 10))
def test_every_number_of_units_with_every_batch(first):
    """Units 1 to 70 and batches 1 to 20, spread over each other and both dtypes."""
    for units in range(first, first + 10):
        dtype = ("float32", "float64")[units % 2]
        rng = np.random.default_rng(units)
        graph = scan(units, units % 5 + 1, dtype, lean)
        batch = (7 * units) % 20 + 1
        x = rng.normal(size=(3, batch, units % 5 + 1)).astype(dtype)
        check(graph, {"x": x}, dtype, lengths=rng.integers(0, 4, batch) if units % 3 == 0 else None)


@pytest.mark.usefixtures("_native_only")
@pytest.mark.parametrize("batch", [1, 40])
def test_large_gradients_are_products(batch):
    x = np.random.default_rng(0).normal(size=(30, batch, 150)).astype("float64")
    check(scan(130, 150, "float64"), {"x": x}, "float64")


@pytest.mark.usefixtures("_native_only")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 7, 300])
def test_dense_layers_outside_scans(rows, dtype):
    builder = Builder("dense")
    x = builder.input("x", "batch, feature=9")
    y = Tanh()(FullyConnected(9, 21, dtype=dtype)(x))
    z = FullyConnected(21, 4, dtype=dtype)(Normalize()(y))
    inputs = {"x": np.random.default_rng(1).normal(size=(rows, 9)).astype(dtype)}
    check(builder.build(z), inputs, dtype)


@pytest.mark.usefixtures("_native_only")
@pytest.mark.parametrize("width", [16, 32])
def test_narrower_vectors(width, monkeypatch):
    monkeypatch.setattr(executable, "vector_bytes", lambda: width)
    monkeypatch.setattr(backend, "vector_bytes", lambda: width)
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())
    rng = np.random.default_rng(width)
    for dtype in ("float32", "float64"):
        for batch in (1, 3, 8, 19):
            x = rng.normal(size=(7, batch, 5)).astype(dtype)
            check(scan(13, 5, dtype), {"x": x}, dtype, lengths=rng.integers(0, 8, batch))


def test_truncation_of_ragged_rows():
    rng = np.random.default_rng(3)
    builder = Builder("truncated")
    x = builder.input("x", "time, batch, feature=3")
    graph = builder.build(Scan(gated(6, "float64"), bptt_length=4)(x))
    inputs = {"x": rng.normal(size=(13, 5, 3))}
    check(graph, inputs, "float64")
    check(graph, inputs, "float64", lengths=[13, 1, 4, 9, 0])


@pytest.mark.usefixtures("_native_only")
def test_truncation_of_ragged_rows_over_several_blocks():
    rng = np.random.default_rng(3)
    builder = Builder("truncated")
    x = builder.input("x", "time, batch, feature=3")
    for last in (4, 70):  # within a block, and over several
        graph = builder.build(Scan(gated(6, "float64"), bptt_length=last)(x))
        for lengths in (None, rng.integers(0, 131, 9)):
            check(graph, {"x": rng.normal(size=(130, 9, 3))}, "float64", lengths=lengths)


def test_not_a_number_passes_through():
    x = np.random.default_rng(2).normal(size=(6, 4, 3))
    x[2, 1] = np.nan
    graph = scan(5, 3, "float64")
    result = {name: everything(graph, {"x": x}, "float64", name) for name in ("reference", "native")}
    for name, array in result["reference"].items():
        np.testing.assert_array_equal(np.isnan(result["native"][name]), np.isnan(array), err_msg=name)


def test_same_bits_in_every_run():
    graph = scan(9, 4, "float32")
    x = np.random.default_rng(8).normal(size=(40, 12, 4)).astype("float32")
    first, second = (everything(graph, {"x": x}, "float32", "native") for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_code_is_shared_by_equal_programs():
    runners = [Runner(scan(6, 3, "float64"), backend="native") for _ in range(2)]
    for runner in runners:
        runner.forward({"x": np.ones((3, 4, 3))})
    programs = len(backend._programs)
    runners[0].forward({"x": np.ones((8, 4, 3))})
    assert len(backend._programs) == programs


@pytest.mark.skipif(bounds.enabled(), reason="GRAPHNET_NATIVE_DEBUG: checked code is not cached")
def test_damaged_cache_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    backend._programs.clear()
    graph = scan(4, 2, "float64")
    inputs = {"x": np.random.default_rng(0).normal(size=(5, 3, 2))}
    check(graph, inputs, "float64")
    files = list((tmp_path / "native").iterdir())
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-7])
    backend._programs.clear()
    check(graph, inputs, "float64")


def test_plugin_offers_the_backend():
    code = (
        "import numpy as np\n"
        "from graphnet import Builder, Runner, dense\n"
        "b = Builder(); x = b.input('x', 'batch, feature=3')\n"
        "r = Runner(b.build(dense(dense(dense(x, 4), 4), 2)), backend='native')\n"
        "print(r.forward({'x': np.ones((2, 3))})['output'].shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(2, 2)"


def test_executable_is_native():
    made = []
    original = NativeExecutable.__init__

    def watched(self, *arguments):
        made.append(type(self))
        original(self, *arguments)

    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr(NativeExecutable, "__init__", watched)
        Runner(scan(3, 2, "float64"), backend="native").forward({"x": np.ones((3, 2, 2))})
    assert made
