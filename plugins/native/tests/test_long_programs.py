"""Programs of many instructions: loops that are functions, called for many operands, and functions in parts."""

from __future__ import annotations

import numpy as np
import pytest
from small_layers import Logistic, Tanh

from graphnet import Builder, Runner, dense
from graphnet_native import backend
from graphnet_native.emitter import Emitter
from graphnet_native.parts import CHUNK

DEPTH = CHUNK + 3


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())


def deep(dtype):
    """A chain of residual layers ``x + tanh(x W + b) · logistic(x)``; no shape of it is a multiple of vectors."""
    g = Builder("deep")
    x = g.input("x", "batch, feature=5")
    for number in range(DEPTH):
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
    return [runner.parameters[f"d{number}/weights"] for number in range(DEPTH)]


@pytest.mark.parametrize(("batch", "debug"), [(1, "0"), (16, "0"), (3, "1")])
def test_chain_of_many_equal_layers(batch, debug, monkeypatch):
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", debug)
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
