"""Normalization over rows in native code: numpy's numbers, to the bit where columns are added row by row."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet import BatchNormalization, Builder, Runner
from graphnet_native import columns


def by_numpy(x, valid, count, weights, bias, epsilon):
    rows, mask = x.reshape(-1, x.shape[-1]), np.ones(x.shape[:-1], bool) if valid is None else valid
    counted = np.where(mask.reshape(-1, 1), rows, x.dtype.type(0))
    mean = counted.sum(0) / count
    centred = rows - mean
    variance = np.where(mask.reshape(-1, 1), centred * centred, x.dtype.type(0)).sum(0) / count
    scale = 1.0 / np.sqrt(variance + epsilon)
    normal = centred * scale
    return (normal * weights + bias).reshape(x.shape), normal.reshape(x.shape), mean, variance, scale


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [2, 3, 7, 8, 15, 16, 17, 33, 64])
@pytest.mark.parametrize("leading", [(1,), (9,), (5, 4), (40, 3)])
def test_same_bits_as_numpy(leading, width, dtype):
    rng = np.random.default_rng(width)
    x = rng.normal(3, 2, size=(*leading, width)).astype(dtype)
    weights, bias = rng.normal(size=(2, width)).astype(dtype)
    for valid in (None, rng.random(leading) < 0.6):
        count = x.size // width if valid is None else max(1, int(valid.sum()))
        found = columns.normalized(x, valid, count, weights, bias, 1e-3)
        for a, b in zip(found, by_numpy(x, valid, count, weights, bias, 1e-3), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    other = rng.normal(size=x.shape).astype(dtype)
    across = tuple(range(x.ndim - 1))
    total, products = columns.column_sums(x, other)
    np.testing.assert_array_equal(total, x.sum(across))
    np.testing.assert_array_equal(products, (x * other).sum(across))


def test_arrays_that_it_does_not_take():
    x, w = np.ones((4, 3)), np.ones(3)
    for bad in (np.ones((4, 6))[:, ::2], np.ones((4, 1)), np.ones((0, 3)), np.ones((4, 3), np.float16)):
        assert columns.normalized(bad, None, 4, w[: bad.shape[-1]], w[: bad.shape[-1]], 1e-3) is None
        assert columns.column_sums(bad, bad) is None
    assert columns.normalized(x, np.ones(3, bool), 4, w, w, 1e-3) is None
    assert columns.normalized(x, np.ones(4, int), 4, w, w, 1e-3) is None
    assert columns.normalized(x, None, 4, w[:2], w, 1e-3) is None
    assert columns.normalized(x, None, 4, w, w.astype("f"), 1e-3) is None
    assert columns.column_sums(x, x[:2]) is None


def test_not_a_number_passes_on_in_its_column_alone():
    x = np.random.default_rng(0).normal(size=(6, 5))
    x[2, 3], x[4, 1] = np.nan, np.inf
    y = columns.normalized(x, None, 6, np.ones(5), np.zeros(5), 1e-3)[0]
    assert np.isnan(y[:, [1, 3]]).all()
    assert np.isfinite(y[:, [0, 2, 4]]).all()


@pytest.mark.parametrize("lengths", [None, [5, 2, 0, 4], [0, 0, 0, 0]])
def test_layer_has_the_same_bits_on_numpy(lengths):
    rng, results = np.random.default_rng(1), []
    x, errors = rng.normal(size=(5, 4, 6)), rng.normal(size=(5, 4, 6))
    for backend in ("numpy", "native"):
        builder = Builder()
        runner = Runner(
            builder.build(y=BatchNormalization(6)(builder.input("x", "time, batch, feature=6"))), backend=backend
        )
        runner.materialize()
        next(iter(runner.parameters.values())).value = np.linspace(0.5, 2, 6)
        y = runner.forward({"x": x}, lengths=lengths)["y"]
        pulled = runner.backward({"y": errors})["x"]
        gradients = [p.gradient for p in runner.parameters.values()]
        results.append([y, pulled, *gradients, *runner.buffers.values()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
