"""Convolutions of graphnet-conv on the native backend, against the backends of numpy."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet import Builder, Runner
from graphnet.core.operations import Operation
from graphnet_conv import Conv

native_backend = pytest.importorskip("graphnet_native.native_backend", reason="graphnet-native is not installed")

TOLERANCES = {"float32": 3e-5, "float64": 1e-11}


def close(found, expected, dtype):
    return np.abs(found - expected).max() <= TOLERANCES[dtype] * max(1.0, np.abs(expected).max())


def run(backend, layer, x, error, shape):
    builder = Builder()
    runner = Runner(builder.build(layer(builder.input("x", shape))), backend=backend)
    y = runner.forward({"x": x})["output"]
    pulled = runner.backward({"output": error(y)})["x"]
    return y, pulled, *(p.gradient for p in runner.parameters.values())


@pytest.mark.parametrize(
    ("arguments", "options", "sizes"),
    [
        ((1, (3, 5, 5), 6), {"padding": 2}, (7, 3, 12, 11)),
        ((1, (2, 2, 3), 5), {}, (4, 2, 6, 7)),
        (((2, 1), (2, 3, 3), 4), {"padding": "valid", "dilation": (1, 2)}, (9, 2, 11, 12)),
        ((2, (3, 4), 5), {}, (16, 3, 21)),
        ((1, (2, 1, 1), 3), {}, (1, 2, 4, 5)),
        ((1, (1, 7), 2), {"padding": ((0, 6),)}, (3, 1, 20)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_equal_those_of_numpy(arguments, options, sizes, dtype):
    rng = np.random.default_rng(6)
    x = rng.normal(size=sizes).astype(dtype)
    layer = Conv(*arguments, **options, dtype=dtype)
    names = ", ".join(
        f"{n}={s}" for n, s in zip(("channel", "y", "x") if x.ndim == 4 else ("channel", "x"), sizes[1:], strict=True)
    )
    seed = rng.normal(size=10_000).astype(dtype)
    results = {
        b: run(b, layer, x, lambda y: seed[: y.size].reshape(y.shape), f"batch, {names}")
        for b in ("reference", "native")
    }
    for found, expected in zip(results["native"], results["reference"], strict=True):
        assert found.shape == expected.shape
        assert close(found, expected, dtype)


def test_backend_gives_its_operations_to_rules(monkeypatch):
    calls = []
    original = native_backend.OPERATIONS[Operation.WINDOWED_GRADIENT]
    monkeypatch.setitem(
        native_backend.OPERATIONS, Operation.WINDOWED_GRADIENT, lambda *a: calls.append(a) or original(*a)
    )
    run("native", Conv(1, (1, 3, 3), 2), np.ones((2, 1, 5, 5)), np.ones_like, "batch, channel=1, y=5, x=5")
    assert len(calls) == 1
    run("numpy", Conv(1, (1, 3, 3), 2), np.ones((2, 1, 5, 5)), np.ones_like, "batch, channel=1, y=5, x=5")
    assert len(calls) == 1
