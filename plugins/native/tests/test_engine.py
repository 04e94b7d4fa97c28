"""Code in memory: given back with its engine, and compiled in parts."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

import numpy as np
import pytest
from small_layers import Tanh

from graphnet import Builder, Cell, FullyConnected, Runner, Scan
from graphnet.core.errors import CompilerWarning
from graphnet_native import backend, elementwise, emitter, engine
from graphnet_native.engine import Engine, vector_bytes, version
from graphnet_native.ir import F32, PTR, Module, integer

#: Repetitions; the long form is ``GRAPHNET_SOAK=1000000 pytest -k soak``.
SOAK = int(os.environ.get("GRAPHNET_SOAK", "300"))


def doubling(internal):
    """A module with a function that calls another one, which doubles a number."""
    module = Module(vector_bytes(), version())
    inner = module.function("twice", [PTR], internal=internal)
    x = inner.load(F32, inner.parameters[0])
    inner.store(inner.binary("fadd", x, x), inner.parameters[0])
    outer = module.function("four_times", [PTR])
    for _ in range(2):
        outer.run("twice", *outer.parameters)
    return module


def test_kernels_are_compiled_on_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    own, kernels = doubling(internal=True).parts()
    assert "define dso_local void @four_times" in own and "declare void @twice" in own and len(kernels) == 1
    objects = engine.compile_module(doubling(internal=True))
    assert len(objects) == 2
    value = ctypes.c_float(1.5)
    code = Engine(objects, ["four_times"])  # an address ends with it
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("four_times"))(ctypes.addressof(value))
    assert value.value == 6.0


def test_function_that_is_missing_is_an_error():
    with pytest.raises(RuntimeError, match="no function 'other'"):
        Engine(doubling(internal=False), ["four_times"]).address("other")


def memory():
    gc.collect()
    with open("/proc/self/statm") as pages, open("/proc/self/maps") as maps:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGESIZE"), len(maps.readlines())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_soak_of_engines_and_calls_keeps_no_memory():
    objects = [engine.compile_text(doubling(internal=False).text())]
    value = ctypes.c_float(0.0)

    def some(count):
        for _ in range(count):
            code = Engine(objects, ["four_times"])
            run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("four_times"))
            for _ in range(10):
                run(ctypes.addressof(value))

    some(50)
    before, files = memory(), len(os.listdir("/proc/self/fd"))
    some(SOAK)
    after = memory()
    assert after[0] - before[0] < 4 << 20  # 300 libraries in one linker keep 3 MB, 1,000,000 keep 10 GB
    assert after[1] - before[1] < 50
    assert len(os.listdir("/proc/self/fd")) == files


def test_programs_that_are_no_longer_kept_are_released(monkeypatch):
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())
    monkeypatch.setattr(backend, "KEPT", 2)
    released = []

    class Watched(backend.Compiled):
        def __del__(self):
            released.append(self)

    monkeypatch.setattr(backend, "Compiled", Watched)
    for units in range(1, 7):
        b = Builder("small")
        x = b.input("x", "batch, feature=2")
        y = Tanh()(FullyConnected(2, units, dtype="float64")(x))
        Runner(b.build(y * y), backend="native").forward({"x": np.ones((3, 2))})
    gc.collect()
    assert len(backend._programs) == 2
    assert len(released) >= 4 - 1


def test_mistake_of_the_emitter_names_the_node(monkeypatch):
    def wrong(frame, group, step):
        frame.f.binary("add", integer(1), frame.f.parameters[0])

    monkeypatch.setattr(elementwise, "compute", wrong)
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())
    cell = Cell("cell", sequences="x", states={"h": 3})
    h = Tanh()(cell.x + cell.h)
    b = Builder("graph")
    graph = b.build(Scan(cell.build(output=h, h=h))(b.input("x", "time, batch, feature=3")))
    with pytest.warns(CompilerWarning, match="IRError: scan/add.*: add of i64 and ptr"):
        Runner(graph, backend="native").forward({"x": np.ones((2, 4, 3))})


def test_large_program_in_several_functions_gives_the_same_numbers(monkeypatch):
    b = Builder("chain")
    x = y = b.input("x", "batch, feature=4")
    for i in range(12):
        y = Tanh()(FullyConnected(4, 4, dtype="float64")(y)) * (i + 1.0) + x
    graph = b.build(y)
    inputs = {"x": np.random.default_rng(0).normal(size=(5, 4))}
    results = []
    for chunk in (32, 2):
        monkeypatch.setattr(emitter, "CHUNK", chunk)
        monkeypatch.setattr(engine, "objects_of", lambda key, build: engine.compile_module(build()))
        monkeypatch.setattr("graphnet_native.executable.objects_of", engine.objects_of)
        monkeypatch.setattr(backend, "_programs", type(backend._programs)())
        runner = Runner(graph, backend="native")
        output = runner.forward(inputs)["output"]
        results.append((output, runner.backward({"output": np.ones_like(output)})["x"]))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_program_that_takes_too_long_to_compile_runs_on_numpy(monkeypatch):
    monkeypatch.setattr(emitter, "MOST", 3)
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())
    b = Builder("dense")
    x = b.input("x", "batch, feature=4")
    y = Tanh()(FullyConnected(4, 4, dtype="float64")(Tanh()(FullyConnected(4, 4, dtype="float64")(x))))
    assert Runner(b.build(y), backend="native").forward({"x": np.ones((2, 4))})["output"].shape == (2, 4)
    assert [type(found) for found in backend._programs.values()] == [elementwise.Unsupported]
