"""Programs of many instructions: lists of calls; where workers share them, functions in parts."""

from __future__ import annotations

import numpy as np
import pytest
from small_layers import Logistic, Normalize, Rectify, Tanh

from graphnet import Builder, Concatenate, Runner, dense
from graphnet_native import backend, calls
from graphnet_native.calls import Calls
from graphnet_native.emitter import Emitter
from graphnet_native.parts import CHUNK

DEPTH = CHUNK + 3
#: More instructions than any program has: none is a list of calls.
NEVER = 10**9


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())


def deep(dtype, depth=DEPTH):
    """A chain of residual layers ``x + tanh(x W + b) · logistic(x)``; no shape of it is a multiple of vectors."""
    g = Builder("deep")
    x = g.input("x", "batch, feature=5")
    for number in range(depth):
        x = x + Tanh()(dense(x, 5, dtype=dtype, name=f"d{number}")) * Logistic()(x)
    return g.build(x)


def by_hand(x, weights):
    """The same in plain numpy, layer by layer."""
    for w in weights:
        x = x + np.tanh(x @ w[:-1] + w[-1]) / (1 + np.exp(-x))
    return x


def drawn(runner):
    rng = np.random.default_rng(3)
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape).astype(parameter.value.dtype) / 9
    return [runner.parameters[f"d{number}/weights"] for number in range(len(runner.parameters))]


@pytest.mark.parametrize(("batch", "debug", "many"), [(1, "0", 1), (16, "0", 1), (16, "0", NEVER), (3, "1", 1)])
def test_chain_of_many_equal_layers(batch, debug, many, monkeypatch):
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", debug)
    monkeypatch.setattr(calls, "MANY", many)
    runner = Runner(deep("float64"), backend="native")
    parameters = drawn(runner)
    rng = np.random.default_rng(batch)
    x, error = rng.normal(size=(2, batch, 5))
    output = runner.forward({"x": x})["output"]
    pulled = runner.backward({"output": error})["x"]
    values = [parameter.value for parameter in parameters]
    assert np.allclose(output, by_hand(x, values), rtol=1e-10, atol=1e-12)
    way = rng.normal(size=x.shape)
    slope = np.sum(error * (by_hand(x + 1e-6 * way, values) - by_hand(x - 1e-6 * way, values))) / 2e-6
    assert np.sum(pulled * way) == pytest.approx(slope, rel=1e-6)
    for number in (0, CHUNK - 1, CHUNK, DEPTH - 1):
        way = rng.normal(size=values[number].shape)
        moved = [[v + sign * 1e-6 * way if k == number else v for k, v in enumerate(values)] for sign in (1, -1)]
        slope = np.sum(error * (by_hand(x, moved[0]) - by_hand(x, moved[1]))) / 2e-6
        assert np.sum(parameters[number].gradient * way) == pytest.approx(slope, rel=1e-5)


def test_equal_loops_share_one_function(monkeypatch):
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", "0")
    monkeypatch.setattr(calls, "MANY", NEVER)
    modules = []
    emit = Emitter.emit

    def recorded(emitter):
        modules.append(emit(emitter))
        return modules[-1]

    monkeypatch.setattr(Emitter, "emit", recorded)
    runner = Runner(deep("float32"), backend="native")
    drawn(runner)
    runner.forward({"x": np.ones((7, 5), "float32")})
    (module,) = modules
    loops = [name for name in module.functions if name.startswith("group_")]
    assert 0 < len(loops) < DEPTH / 3
    sums = [line.count("call void") for line in module.functions["sums"].text().splitlines()]
    assert 1 < sum(sums) < DEPTH / 3


def recorded_calls(monkeypatch):
    """The lists of calls that are made from here on."""
    made = []
    start = Calls.__init__

    def record(found, *arguments):
        start(found, *arguments)
        made.append(found)

    monkeypatch.setattr(Calls, "__init__", record)
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", "0")
    return made


def test_more_layers_are_more_calls_of_the_same_kernels(monkeypatch):
    made = recorded_calls(monkeypatch)
    monkeypatch.setattr(calls, "MANY", 1)
    for depth in (DEPTH, 2 * DEPTH):
        runner = Runner(deep("float32", depth), backend="native")
        drawn(runner)
        runner.forward({"x": np.ones((7, 5), "float32")})
    short, long = made
    assert short.forms == long.forms
    assert len(long.data) > 1.8 * len(short.data)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3, 130])
def test_every_kind_of_instruction_as_a_call(rows, dtype, monkeypatch):
    made = recorded_calls(monkeypatch)
    monkeypatch.setattr(calls, "MANY", 1)
    g = Builder("mixture")
    x = y = g.input("x", "batch, feature=13")
    for width in (9, 1, 150):
        y = Rectify()(Normalize()(dense(y, width, dtype=dtype))) * 1.5
    graph = g.build(Concatenate()(y, x))
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 13)).astype(dtype)
    found = []
    for name in ("native", "reference"):
        runner = Runner(graph, backend=name)
        runner.materialize()
        rng = np.random.default_rng(4)
        for parameter in runner.parameters.values():
            parameter.value = (rng.normal(size=parameter.value.shape) / 2).astype(dtype)
        output = runner.forward({"x": x})["output"]
        error = rng.normal(size=output.shape).astype(dtype)
        pulled = runner.backward({"output": error})["x"]
        found.append([output, pulled, *(parameter.gradient for parameter in runner.parameters.values())])
    assert made
    assert {form[0] for form in made[0].forms} >= {"elementwise", "dot", "reduce", "gradient", "row sums", "spread"}
    for one, other in zip(*found, strict=True):
        scale = np.abs(other).max()
        assert np.allclose(one, other, rtol=0, atol=scale * (1e-10 if dtype == "float64" else 1e-5))


def test_small_instructions_are_not_shared_by_workers(monkeypatch):
    made = recorded_calls(monkeypatch)
    monkeypatch.setattr(calls, "MANY", 1)
    monkeypatch.setattr(backend, "machine_threads", lambda: 4)
    monkeypatch.setattr(backend, "useful", lambda *_: 4)
    runner = Runner(deep("float32"), backend="native")
    drawn(runner)
    runner.forward({"x": np.ones((7, 5), "float32")})
    assert len(made) == 1
