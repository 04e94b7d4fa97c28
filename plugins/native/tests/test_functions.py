"""Every operation of a program against numpy, on ordinary, large, tiny and special numbers."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from graphnet_native import functions
from graphnet_native.engine import Engine, vector_bytes, version
from graphnet_native.ir import I64, PTR, Module, Type, integer

SPECIAL = [0, 1, -1, np.inf, -np.inf, np.nan, 88.7, -88.7, 89.5, 710, -746, 1e-30, -0.0, 0.625, 2, 3, 7.9, -7.9, 0.5]


def compiled(name, scalar, count):
    module = Module(vector_bytes(), version())
    kind = Type(scalar, vector_bytes() // (4 if scalar == "float" else 8))
    f = module.function("f", [PTR] * (count + 1) + [I64])
    *sources, target, length = f.parameters

    def part(i, _):
        at = f.mul(i, kind.bytes)
        args = [f.load(kind, f.offset(p, at)) for p in sources]
        result = functions.as_number(f, functions.apply(f, name, args, scalar), scalar)
        f.store(result, f.offset(target, at))

    f.loop(integer(0), length, kind.lanes, part)
    engine = Engine(module.text())
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (count + 1), ctypes.c_int64)(engine.address("f"))
    return call, engine


def values(dtype, count):
    rng = np.random.default_rng(4)
    drawn = np.concatenate([rng.normal(size=1000) * scale for scale in (1, 10, 1e-3, 100)])
    first = np.concatenate([drawn, SPECIAL * 4])
    first = first[: len(first) // 16 * 16].astype(dtype)
    return [first, *(rng.permutation(first) for _ in range(count - 1))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted({*functions.FLOATS, *functions.RELATIONS, "isnan", "isfinite"} - {"copy"}))
def test_operation_agrees_with_numpy(name, dtype):
    ufunc = getattr(np, name)
    args = values(dtype, ufunc.nin)
    call, engine = compiled(name, "float" if dtype == "float32" else "double", ufunc.nin)
    result = np.empty_like(args[0])
    call(*[a.ctypes.data for a in args], result.ctypes.data, len(result))
    with np.errstate(all="ignore"):
        expected = np.asarray(ufunc(*args), dtype)
    assert engine
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    limit = np.isinf(expected)
    np.testing.assert_array_equal(result[limit], expected[limit])
    finite = np.isfinite(expected)
    small = np.finfo(dtype).tiny  # below it, numbers may count as zero
    tolerance = 100 if name == "logaddexp" else 8  # a sum of nearly opposite terms has an absolute error
    np.testing.assert_allclose(result[finite], expected[finite], rtol=tolerance * np.finfo(dtype).eps, atol=small)


def test_two_truth_values_are_combined_by_logic():
    for name in ("logical_and", "logical_or"):
        call, engine = compiled(name, "float", 2)
        a, b = np.array([0, 1, 0, 2] * 16, "float32"), np.array([0, 0, 3, np.nan] * 16, "float32")
        result = np.empty_like(a)
        call(a.ctypes.data, b.ctypes.data, result.ctypes.data, len(a))
        assert engine
        np.testing.assert_array_equal(result, getattr(np, name)(a, b))
