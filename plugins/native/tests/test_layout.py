"""Rows before units: what chooses it, its products, and the same results as units before rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_backend import scan
from test_products import DTYPES, I, P, call, exported

from graphnet import Runner
from graphnet.core.compile.program import LOOP, Buffer, BufferSlice, Instruction, PackRef, Program
from graphnet_native import row_products
from graphnet_native.engine import Engine, vector_bytes, version
from graphnet_native.ir import F32, I64, PTR, Module
from graphnet_native.layout import Layout, layout_of


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 5, 8, 16, 17, 32, 33, 70])
def test_product_of_rows(dtype, columns):
    module = Module(vector_bytes(), version())
    tiles = row_products.panels(DTYPES[dtype], vector_bytes())
    kernel = row_products.row_product(module, DTYPES[dtype], tiles.lanes)
    name = exported(module, kernel, [PTR, I64, I64, PTR, I64, I64, PTR, *[I64] * 7])
    engine = Engine(module.text())
    multiply = call(engine, name, P, I, I, P, I, I, P, *[I] * 7)
    rng = np.random.default_rng(columns)
    panels = -(-columns // tiles.rows)
    for rows in (1, 2, 3, 4, 5, 6, 7, 8, 13, 23):
        for depth in (1, 3, 4, 6, 33):
            for add in (0, 1):
                w = np.zeros((depth, panels * tiles.rows), dtype)
                w[:, :columns] = rng.normal(size=(depth, columns))
                packed = np.ascontiguousarray(w.reshape(depth, panels, tiles.rows).transpose(1, 0, 2))
                x = rng.normal(size=(2, rows, depth + 2)).astype(dtype)
                out = rng.normal(size=(2, rows, columns + 3)).astype(dtype)
                expected = out.astype("float64")
                expected[..., :columns] = (
                    add * expected[..., :columns] + x[..., :depth].astype("float64") @ w[:, :columns]
                )
                multiply(packed.ctypes.data, packed.strides[0], packed.strides[1], x.ctypes.data, x.strides[1],
                         x.strides[0], out.ctypes.data, out.strides[1], out.strides[0], rows, 2, depth, columns, add)  # fmt: skip
                np.testing.assert_allclose(out, expected, rtol=0, atol=depth * 8 * np.finfo(dtype).eps)


def program_of(units):
    """A product and an elementwise operation."""
    states, gates = BufferSlice(0, 0, units), BufferSlice(1, 0, 4 * units)
    instructions = (
        Instruction(LOOP, "dot", gates, (states, PackRef(0))),
        Instruction(LOOP, "tanh", gates, (gates,)),
    )
    buffers = Buffer("full", units), Buffer("step", 4 * units)
    return replace(Program(buffers, (), (), (), (), (), (), (), (), (), ()), instructions=instructions)


def test_lanes_hold_what_fills_them():
    program = program_of(16)
    assert layout_of(program, F32, 64, 1) == Layout(True, True)
    for batch, width in ((4, 64), (8, 64), (17, 64), (3, 32), (32, 64)):
        assert layout_of(program, F32, width, batch) == Layout(True)
    for batch, width in ((16, 64), (33, 64), (8, 32)):
        assert layout_of(program_of(3), F32, width, batch) == Layout(False)


@pytest.mark.parametrize(("units", "batch"), [(16, 8), (32, 3), (7, 2), (40, 17)])
@pytest.mark.parametrize("lengths", [False, True])
def test_both_orders_give_the_same_results(units, batch, lengths, monkeypatch):
    found = []
    rng = np.random.default_rng(units)
    x, error = rng.normal(size=(9, batch, 3)), rng.normal(size=(9, batch, units))
    ends = rng.integers(1, 10, size=batch) if lengths else None
    for rows_first in (False, True):
        for module in ("backend", "emitter"):
            monkeypatch.setattr(f"graphnet_native.{module}.layout_of", lambda *_, order=rows_first: Layout(order))
        runner = Runner(scan(units, 3, "float64"), backend="native")
        runner.forward({"x": x})  # makes the parameters
        fill = np.random.default_rng(1)
        for parameter in runner.parameters.values():
            parameter.value = fill.normal(size=parameter.value.shape) / units**0.5
        y = runner.forward({"x": x}, lengths=ends)["output"]
        errors = runner.backward({"output": error})
        found.append([y, errors["x"], *(p.gradient for p in runner.parameters.values())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11 * np.abs(one).max())
