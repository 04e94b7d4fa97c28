"""Softmax cross entropy in native code: what the backend offers to losses.

See :mod:`graphnet.core.operations` for the contract. A vector holds classes of one row.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet_native import features
from graphnet_native.addresses import address
from graphnet_native.engine import Engine, key_of, objects_of, version
from graphnet_native.features import Features
from graphnet_native.functions import exp, lane_by_lane, maximum, number
from graphnet_native.ir import F32, F64, I64, PTR, Function, Module, Type, Value, integer
from graphnet_native.sums import horizontal

Array = Any
DTYPES = {"f": F32, "d": F64}
INDEX = np.dtype(np.int64)
#: Numbers from which on a call releases the interpreter's lock.
RELEASE = 1 << 14


class CrossEntropy:
    """The compiled function of one dtype: ``f(table of addresses and integers)``."""

    def __init__(self, char: str, level: Features) -> None:
        def build() -> Module:
            module = Module(level.vector_bytes, version(), level.fused)
            emit(module, DTYPES[char], level.vector_bytes // DTYPES[char].bytes)
            return module

        self.engine = Engine(objects_of(key_of("cross entropy", char), build), ["cross_entropy"])
        entry = self.engine.address("cross_entropy")
        self.holding = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(entry)
        self.releasing = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(entry)
        self.numbers = (ctypes.c_float if char == "f" else ctypes.c_double) * 2


@lru_cache(maxsize=8)
def compiled_for(char: str, level: Features) -> CrossEntropy:
    """The function of a dtype, compiled once for each level of processor features."""
    return CrossEntropy(char, level)


_Table = ctypes.c_int64 * 7


def cross_entropy(scores: Array, index: Array, smoothing: float) -> tuple[Array, Array] | None:
    """See :attr:`graphnet.core.operations.Operation.CROSS_ENTROPY`."""
    dtype = scores.dtype
    if dtype.char not in DTYPES or scores.ndim != 2 or not scores.size:
        return None
    rows, classes = scores.shape
    if index.dtype is not INDEX or index.shape != (rows,):
        return None
    for array in (scores, index):
        if not (array.flags.c_contiguous and array.flags.aligned):
            return None
    losses, errors = np.empty(rows, dtype), np.empty((rows, classes), dtype)
    compiled = compiled_for(dtype.char, features.selected())
    numbers = compiled.numbers(smoothing, smoothing / classes)
    places = [address(array) for array in (scores, index, losses, errors)]
    table = _Table(*places, ctypes.addressof(numbers), rows, classes)
    (compiled.holding if scores.size < RELEASE else compiled.releasing)(table)
    return losses, errors


# ---------------------------------------------------------------------- code
class _Row:
    """The vectors of one row."""

    def __init__(self, f: Function, kind: Type, classes: Value) -> None:
        self.f, self.kind = f, kind
        self.whole = f.binary("and", classes, integer(-kind.lanes))
        rest = f.binary("sub", classes, self.whole)
        self.some = f.convert("zext", f.compare("icmp ne", rest, integer(0)), I64)
        self.mask = f.first_lanes(rest, kind.lanes)
        self.size = Type(kind.scalar).bytes

    def load(self, base: Value, first: Value, masked: bool, filling: float = 0.0) -> Value:
        """Some numbers; ``filling`` in lanes beyond the last class."""
        f, place = self.f, self.f.offset(base, self.f.mul(first, self.size))
        if not masked:
            return f.load(self.kind, place)
        value = f.load_masked(self.kind, place, self.mask)
        return value if filling == 0.0 else f.select(self.mask, value, number(f, filling, value))

    def store(self, value: Value, base: Value, first: Value, masked: bool) -> None:
        place = self.f.offset(base, self.f.mul(first, self.size))
        if masked:
            self.f.store_masked(value, place, self.mask)
        else:
            self.f.store(value, place)

    def each(self, body: Callable[[Value, list[Value], bool], list[Value]], carried: list[Value]) -> list[Value]:
        """Emit ``body(first, carried, masked)`` for all vectors."""
        f = self.f
        carried = f.loop(integer(0), self.whole, self.kind.lanes, lambda i, v: body(i, v, False), carried)
        return f.loop(integer(0), self.some, 1, lambda _, v: body(self.whole, v, True), carried)


def _largest(f: Function, x: Value) -> Value:
    """The largest lane of a vector; NaN if any is."""
    scalar = Type(x.type.scalar)
    lanes = [f.emit(scalar, f"extractelement {x}, i64 {lane}") for lane in range(x.type.lanes)]
    while len(lanes) > 1:
        lanes = [maximum(f, a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
    return lanes[0]


def emit(module: Module, dtype: Type, lanes: int) -> None:
    """``cross_entropy(table)``: scores, index, losses, errors, (share, share / classes), rows, classes.

    The exponential of the largest score is 1. The sum of the others is kept separate from it, so that losses near 0
    have full relative precision. An index that is not that of a class makes the loss NaN.
    """
    f = module.function("cross_entropy", [PTR])
    (table,) = f.parameters
    scores, indices, losses, errors, numbers = (f.load(PTR, f.offset(table, 8 * i)) for i in range(5))
    rows, classes = (f.load(I64, f.offset(table, 8 * i)) for i in (5, 6))
    kind, size = Type(dtype.scalar, lanes), dtype.bytes
    share, part = (f.load(dtype, f.offset(numbers, i * size)) for i in range(2))
    row_bytes, row = f.mul(classes, size), _Row(f, kind, classes)
    count = f.convert("sitofp", classes, dtype)
    zero, one = Value(kind, "zeroinitializer"), f.splat(Value(dtype, "1.0"), lanes)
    low, parts = f.splat(number(f, -math.inf, Value(dtype, "")), lanes), f.splat(part, lanes)

    def single(r: Value, _: list[Value]) -> None:
        at = f.offset(scores, f.mul(r, row_bytes))
        to = f.offset(errors, f.mul(r, row_bytes))
        top = _largest(
            f, row.each(lambda i, v, m: [maximum(f, v[0], row.load(at, i, m, -math.inf))], [low])[0]
        )  # NaN stays
        tops = f.splat(top, lanes)

        def powers(i: Value, v: list[Value], masked: bool) -> list[Value]:
            x = row.load(at, i, masked, -math.inf)
            power = exp(f, f.binary("fsub", x, tops))
            largest = f.compare("fcmp oeq", x, tops)
            row.store(power, to, i, masked)
            others = f.select(largest, zero, power)
            if masked:  # minus infinity minus itself is NaN
                others = f.select(row.mask, others, zero)
                largest = f.binary("and", largest, row.mask)
            return [f.binary("fadd", v[0], others), f.binary("fadd", v[1], f.select(largest, one, zero))]

        sums = row.each(powers, [zero, zero])
        others, equal = (horizontal(f, total) for total in sums)
        # Those that are equal to the largest one have the exponential 1, or NaN if they are infinite.
        unit = f.binary("fadd", f.binary("fsub", top, top), number(f, 1.0, top))
        more = f.binary("fmul", f.binary("fsub", equal, number(f, 1.0, equal)), unit)
        more = f.select(f.compare("fcmp oeq", equal, number(f, 1.0, equal)), number(f, 0.0, equal), more)
        rest = f.binary("fadd", others, more)
        total = f.binary("fadd", rest, number(f, 1.0, rest))
        log = lane_by_lane(f, "log1p", rest)
        index = f.load(I64, f.offset(indices, f.mul(r, 8)))
        valid = f.compare("icmp ult", index, classes)
        index = f.select(valid, index, integer(0))
        own_score, own_power = (f.load(dtype, f.offset(base, f.mul(index, size))) for base in (at, to))
        totals, logs = f.splat(total, lanes), f.splat(log, lanes)

        def probabilities(i: Value, v: list[Value], masked: bool) -> list[Value]:
            error = f.binary("fsub", f.binary("fdiv", row.load(to, i, masked), totals), parts)
            row.store(error, to, i, masked)
            term = f.binary("fsub", f.binary("fsub", row.load(at, i, masked), tops), logs)
            return [f.binary("fadd", v[0], f.select(row.mask, term, zero) if masked else term)]

        mean = f.binary("fdiv", horizontal(f, row.each(probabilities, [zero])[0]), count)
        plain = f.binary("fsub", log, f.binary("fsub", own_score, top))
        kept = f.binary("fmul", f.binary("fsub", number(f, 1.0, share), share), plain)
        smoothed = f.binary("fsub", kept, f.binary("fmul", share, mean))
        loss = f.select(f.compare("fcmp oeq", share, number(f, 0.0, share)), plain, smoothed)
        f.store(f.select(valid, loss, number(f, math.nan, loss)), f.offset(losses, f.mul(r, size)))
        left = f.select(f.compare("fcmp oeq", own_score, top), rest, f.binary("fsub", total, own_power))
        missing = f.binary("fdiv", left, total)
        f.store(f.binary("fsub", f.binary("fsub", share, part), missing), f.offset(to, f.mul(index, size)))

    f.loop(integer(0), rows, 1, single)
