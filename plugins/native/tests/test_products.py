"""Products, sums and transpositions of every small size, and at the edges of tiles."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from graphnet_native import products, sums
from graphnet_native.engine import Engine, vector_bytes, version
from graphnet_native.ir import F32, F64, I64, PTR, Module
from graphnet_native.transposition import transpose

P, I = ctypes.c_void_p, ctypes.c_int64
DTYPES = {"float32": F32, "float64": F64}


def exported(module, name, parameters):
    """A function of a module that calls an internal one, so that it has an address."""
    f = module.function(f"export_{name}", parameters)
    f.run(name, *f.parameters)
    return f.name


def call(engine, name, *kinds):
    return ctypes.CFUNCTYPE(None, *kinds)(engine.address(name))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [2, 3, 5, 8, 9, 16, 17, 20, 31, 33, 64, 70])
def test_product_of_every_height(dtype, columns):
    tiles = products.tiles(DTYPES[dtype], vector_bytes(), columns)
    module = Module(vector_bytes(), version())
    packing = products.pack(module, tiles)
    name = exported(module, products.product(module, tiles), [PTR, PTR, I64, PTR, *[I64] * 8])
    engine = Engine(module.text())
    pack, multiply = call(engine, packing, P, P, *[I] * 5), call(engine, name, P, P, I, P, *[I] * 8)
    rng = np.random.default_rng(columns)
    for rows in (1, 2, 5, 11, 12, 13, 16, 17, 24, 25, 40):
        for depth in (1, 3, 4, 7, 8, 33):
            for flipped in (False, True):
                w = rng.normal(size=(depth, rows) if flipped else (rows, depth)).astype(dtype)
                w = w.T if flipped else w
                x = rng.normal(size=(3, depth, columns)).astype(dtype)
                out = rng.normal(size=(3, rows, columns)).astype(dtype)
                expected = out.astype("float64") + w.astype("float64") @ x
                panels = np.full((-(-rows // tiles.rows), depth, tiles.rows), np.nan, dtype)
                pack(w.ctypes.data, panels.ctypes.data, rows, depth, *w.strides, panels.strides[0])
                multiply(panels.ctypes.data, x.ctypes.data, x.strides[1], out.ctypes.data, out.strides[1],
                         rows, depth, columns, 1, 3, x.strides[0], out.strides[0])  # fmt: skip
                np.testing.assert_allclose(out, expected, rtol=0, atol=depth * 8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [2, 3, 4, 7, 8, 16, 19])
def test_gradient_sums_over_steps_and_rows(dtype, batch):
    lanes = products.tiles(DTYPES[dtype], vector_bytes(), batch).lanes
    module = Module(vector_bytes(), version())
    name = exported(module, sums.gradient(module, DTYPES[dtype], lanes), [PTR, I64, PTR, I64, I64, PTR, *[I64] * 5])
    engine = Engine(module.text())
    add = call(engine, name, P, I, P, I, I, P, *[I] * 5)
    rng = np.random.default_rng(batch)
    for rows in (1, 4, 5, 6, 11):
        for columns in (1, 3, 5, 10, 12):
            left = rng.normal(size=(4, rows, batch)).astype(dtype)
            right = rng.normal(size=(4, columns, batch)).astype(dtype)
            out = rng.normal(size=(rows, columns)).astype(dtype)
            expected = out + np.einsum("tib,tjb->ij", left.astype("float64"), right)
            add(left.ctypes.data, left.strides[0], right.ctypes.data, right.strides[0], left.strides[1],
                out.ctypes.data, out.strides[0], 4, batch, rows, columns)  # fmt: skip
            np.testing.assert_allclose(out, expected, rtol=0, atol=400 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transposition_of_every_size(dtype):
    module = Module(vector_bytes(), version())
    name = exported(module, transpose(module, DTYPES[dtype]), [PTR, I64, PTR, I64, I64, I64])
    engine = Engine(module.text())
    turn = call(engine, name, P, I, P, I, I, I)
    rng = np.random.default_rng(0)
    for rows in range(1, 20):
        for columns in range(1, 20):
            source, target = rng.normal(size=(rows, columns)).astype(dtype), np.zeros((columns, rows), dtype)
            turn(source.ctypes.data, source.strides[0], target.ctypes.data, target.strides[0], rows, columns)
            np.testing.assert_array_equal(target, source.T)
