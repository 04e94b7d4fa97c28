"""Statistics of columns in native code: what the backend offers to rules that normalize over the rows of a batch.

See :mod:`graphnet.core.operations` for the contract. A vector holds columns, and the rows of a column are added in
their order, as numpy adds them, so the bits are the same as numpy's.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet_native import features
from graphnet_native.addresses import address
from graphnet_native.engine import Engine, key_of, objects_of, version
from graphnet_native.features import Features
from graphnet_native.ir import F32, F64, I8, I64, PTR, Function, Module, Type, Value, integer

Array = Any
#: y, normal, mean, variance, scale.
Normalized = tuple[Array, Array, Array, Array, Array]
DTYPES = {"f": F32, "d": F64}
BOOL = np.dtype(bool)
#: Numbers from which on a call releases the interpreter's lock.
RELEASE = 1 << 16


class Columns:
    """The compiled functions of one dtype: ``f(table of addresses and integers)``."""

    def __init__(self, char: str, level: Features) -> None:
        def build() -> Module:
            module = Module(level.vector_bytes, version(), level.fused)
            lanes = level.vector_bytes // DTYPES[char].bytes
            normalize(module, DTYPES[char], lanes)
            sums(module, DTYPES[char], lanes)
            return module

        self.engine = Engine(objects_of(key_of("columns", char), build), ["normalized", "column_sums"])
        found = [self.engine.address(name) for name in ("normalized", "column_sums")]
        self.normalized, self.sums = (ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(entry) for entry in found)
        self.releasing = [ctypes.CFUNCTYPE(None, ctypes.c_void_p)(entry) for entry in found]
        self.numbers = (ctypes.c_float if char == "f" else ctypes.c_double) * 2


@lru_cache(maxsize=8)
def columns_for(char: str, level: Features) -> Columns:
    """The functions of a dtype, compiled once for each level of processor features."""
    return Columns(char, level)


_Normalization, _Sums = ctypes.c_int64 * 10, ctypes.c_int64 * 5


@lru_cache(maxsize=16)
def _all_valid(rows: int) -> Array:
    return np.ones(rows, bool)


def normalized(
    x: Array, valid: Array | None, count: int, weights: Array, bias: Array, epsilon: float
) -> Normalized | None:
    """See :attr:`graphnet.core.operations.Operation.NORMALIZED`."""
    dtype, shape = x.dtype, x.shape
    width = shape[-1]
    if dtype.char not in DTYPES or not x.size or width < 2:  # numpy adds up a single column in another order
        return None
    rows = x.size // width
    mask = _all_valid(rows) if valid is None else valid
    if mask.size != rows or weights.shape != (width,) or bias.shape != (width,):
        return None
    for array in (x, mask, weights, bias):
        flags = array.flags
        if array.dtype is not (BOOL if array is mask else dtype) or not (flags.c_contiguous and flags.aligned):
            return None
    y, normal, statistics = np.empty(shape, dtype), np.empty(shape, dtype), np.empty((3, width), dtype)
    compiled = columns_for(dtype.char, features.selected())
    numbers = compiled.numbers(count, epsilon)
    places = [address(array) for array in (x, mask, weights, bias, y, normal, statistics)]
    table = _Normalization(*places, ctypes.addressof(numbers), rows, width)
    (compiled.normalized if x.size < RELEASE else compiled.releasing[0])(table)
    mean, variance, scale = statistics
    return y, normal, mean, variance, scale


def column_sums(error: Array, other: Array) -> tuple[Array, Array] | None:
    """See :attr:`graphnet.core.operations.Operation.COLUMN_SUMS`."""
    dtype, width = error.dtype, error.shape[-1]
    if (
        dtype.char not in DTYPES
        or not error.size
        or width < 2
        or other.dtype is not dtype
        or other.shape != error.shape
    ):
        return None
    for array in (error, other):
        if not (array.flags.c_contiguous and array.flags.aligned):
            return None
    found = np.empty((2, width), dtype)
    compiled = columns_for(dtype.char, features.selected())
    table = _Sums(address(error), address(other), address(found), error.size // width, width)
    (compiled.sums if error.size < RELEASE else compiled.releasing[1])(table)
    return found[0], found[1]


# ---------------------------------------------------------------------- code
class _Block:
    """Access to the columns of one vector, all of whose lanes are columns, or those of a mask."""

    def __init__(self, f: Function, kind: Type, first: Value, mask: Value | None) -> None:
        self.f, self.kind, self.mask, self.at = f, kind, mask, f.mul(first, Type(kind.scalar).bytes)

    def load(self, base: Value) -> Value:
        place = self.f.offset(base, self.at)
        return self.f.load(self.kind, place) if self.mask is None else self.f.load_masked(self.kind, place, self.mask)

    def store(self, value: Value, base: Value) -> None:
        place = self.f.offset(base, self.at)
        if self.mask is None:
            self.f.store(value, place)
        else:
            self.f.store_masked(value, place, self.mask)


def _over_columns(f: Function, kind: Type, width: Value, body: Any) -> None:
    """Emit ``body(block)`` for all vectors of columns."""
    whole = f.binary("and", width, integer(-kind.lanes))
    rest = f.binary("sub", width, whole)
    mask = f.first_lanes(rest, kind.lanes)
    f.loop(integer(0), whole, kind.lanes, lambda first, _: body(_Block(f, kind, first, None)))
    f.when(f.compare("icmp ne", rest, integer(0)), lambda: body(_Block(f, kind, whole, mask)))


def _entries(f: Function, pointers: int) -> tuple[list[Value], Value, Value]:
    """The pointers at the beginning of the table, and the numbers of rows and columns after them."""
    (table,) = f.parameters
    found = [f.load(PTR, f.offset(table, 8 * i)) for i in range(pointers)]
    rows, width = (f.load(I64, f.offset(table, 8 * (pointers + i))) for i in range(2))
    return found, rows, width


def normalize(module: Module, dtype: Type, lanes: int) -> None:
    """``normalized(table)``: x, valid, weights, bias, y, normal, statistics, (count, epsilon), rows, columns."""
    f = module.function("normalized", [PTR])
    (x, valid, weights, bias, y, normal, statistics, numbers), rows, width = _entries(f, 8)
    kind, row_bytes = Type(dtype.scalar, lanes), f.mul(width, dtype.bytes)
    count, epsilon = (f.splat(f.load(dtype, f.offset(numbers, i * dtype.bytes)), lanes) for i in range(2))
    zero = Value(kind, "zeroinitializer")
    one = f.splat(Value(dtype, "1.0"), lanes)

    def columns(block: _Block) -> list[Value]:
        def total(term: Any) -> Value:
            def add(row: Value, carried: list[Value]) -> list[Value]:
                present = f.compare("icmp ne", f.load(I8, f.offset(valid, row)), integer(0, I8))
                number = term(block.load(f.offset(x, f.mul(row, row_bytes))))
                return [f.binary("fadd", carried[0], f.select(present, number, zero))]

            return f.loop(integer(0), rows, 1, add, [zero])[0]

        mean = f.binary("fdiv", total(lambda number: number), count)

        def square(number: Value) -> Value:
            centred = f.binary("fsub", number, mean)
            return f.binary("fmul", centred, centred)

        variance = f.binary("fdiv", total(square), count)
        root = f.call(f"llvm.sqrt.{kind.mangled}", kind, f.binary("fadd", variance, epsilon))
        scale = f.binary("fdiv", one, root)
        for number, value in enumerate((mean, variance, scale)):
            block.store(value, f.offset(statistics, f.mul(row_bytes, number)))
        factor, shift = block.load(weights), block.load(bias)

        def write(row: Value, _: list[Value]) -> None:
            at = f.mul(row, row_bytes)
            value = f.binary("fmul", f.binary("fsub", block.load(f.offset(x, at)), mean), scale)
            block.store(value, f.offset(normal, at))
            block.store(f.binary("fadd", f.binary("fmul", value, factor), shift), f.offset(y, at))

        f.loop(integer(0), rows, 1, write)
        return []

    _over_columns(f, kind, width, columns)


def sums(module: Module, dtype: Type, lanes: int) -> None:
    """``column_sums(table)``: a, b, results (2, columns), rows, columns: Σ a and Σ a·b."""
    f = module.function("column_sums", [PTR])
    (a, b, results), rows, width = _entries(f, 3)
    kind, row_bytes = Type(dtype.scalar, lanes), f.mul(width, dtype.bytes)
    zero = Value(kind, "zeroinitializer")

    def columns(block: _Block) -> list[Value]:
        def add(row: Value, carried: list[Value]) -> list[Value]:
            at = f.mul(row, row_bytes)
            left = block.load(f.offset(a, at))
            product = f.binary("fmul", left, block.load(f.offset(b, at)))
            return [f.binary("fadd", carried[0], left), f.binary("fadd", carried[1], product)]

        for number, value in enumerate(f.loop(integer(0), rows, 1, add, [zero, zero])):
            block.store(value, f.offset(results, f.mul(row_bytes, number)))
        return []

    _over_columns(f, kind, width, columns)
