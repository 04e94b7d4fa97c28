"""Elementwise kernels on flat arrays in native code: optimizer steps."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet.core.concurrency import locks
from graphnet.core.elementwise_kernels import Kernel
from graphnet_native import features
from graphnet_native.addresses import address
from graphnet_native.elementwise import KNOWN
from graphnet_native.engine import Engine, key_of, objects_of, version
from graphnet_native.features import Features
from graphnet_native.functions import apply, as_number
from graphnet_native.ir import F32, F64, I64, PTR, Function, Module, Type, Value, integer
from graphnet_native.sums import horizontal

#: The largest magnitude in float32.
LARGEST = float(np.finfo(np.float32).max)
#: Numbers from which on a call releases the interpreter's lock.
RELEASE = 1 << 16
_lock = threading.Lock()


def elementwise(kernel: Kernel, dtype: str) -> Native | None:
    """The native code of a kernel; None if it has an operation without code."""
    if any(name not in KNOWN for name, _ in kernel.instructions) or dtype not in ("float32", "float64"):
        return None
    with _lock:
        return _native(kernel, dtype, features.selected())


@lru_cache(maxsize=64)
def _native(kernel: Kernel, dtype: str, level: Features) -> Native:
    return Native(kernel, dtype, level)


class Native:
    """A compiled kernel; see :data:`graphnet.core.elementwise_kernels.Compiled`."""

    def __init__(self, kernel: Kernel, dtype: str, level: Features) -> None:
        self.kernel, self.dtype = kernel, np.dtype(dtype)
        key = key_of("elementwise kernel", repr(kernel), dtype)
        self.engine = Engine(objects_of(key, lambda: emit(kernel, dtype, level)), ["kernel"])
        entry = self.engine.address("kernel")
        arguments = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self.narrow = self.dtype.name == "float32"
        self._addresses = ctypes.c_int64 * (kernel.inputs + len(kernel.outputs))
        self._numbers = (ctypes.c_float if self.narrow else ctypes.c_double) * (kernel.constants + 1)
        self.holding = ctypes.PYFUNCTYPE(None, *arguments)(entry)
        self.releasing = ctypes.CFUNCTYPE(None, *arguments)(entry)

    def __call__(self, inputs: Sequence[Any], constants: Sequence[float], outputs: Sequence[Any]) -> bool:
        """Run it; returns whether all results are finite."""
        arrays = (*inputs, *outputs)
        self._check(arrays, constants)
        size = arrays[0].size
        addresses = self._addresses(*[address(array) for array in arrays])
        if self.narrow and constants and max(map(abs, constants)) > LARGEST:  # infinite in the dtype of the arrays
            with np.errstate(over="ignore"):
                constants = [float(np.float32(number)) for number in constants]
        numbers = self._numbers(0.0, *constants)  # the first one receives the flag
        run = self.holding if size < RELEASE else self.releasing
        run(addresses, numbers, size, numbers)
        return numbers[0] == 0.0

    def _check(self, arrays: Sequence[Any], constants: Sequence[float]) -> None:
        """Refuse arrays that the code would read or write beyond their ends."""
        kernel, size, dtype = self.kernel, arrays[0].size, self.dtype
        if len(arrays) != kernel.inputs + len(kernel.outputs) or len(constants) != kernel.constants:
            raise ValueError("a kernel was called with another number of arrays or constants")
        for array in arrays:
            flags = array.flags
            if array.dtype != dtype or array.size != size or not (flags.c_contiguous and flags.aligned):
                raise ValueError("a kernel was called with arrays that differ in length or dtype, or have gaps")


def emit(kernel: Kernel, dtype: str, level: Features) -> Module:
    """``kernel(table of addresses, constants from entry 1 on, numbers, flag)``; the flag stays 0 if all are finite."""
    scalar = F32 if dtype == "float32" else F64
    module = Module(level.vector_bytes, version(), level.fused)
    f = module.function("kernel", [PTR, PTR, I64, PTR])
    table, numbers, size, flag = f.parameters
    lanes = level.vector_bytes // scalar.bytes
    kind = Type(scalar.scalar, lanes)
    places = [f.load(PTR, f.offset(table, 8 * i)) for i in range(kernel.inputs + len(kernel.outputs))]
    constants = [
        f.splat(f.load(scalar, f.offset(numbers, (k + 1) * scalar.bytes)), lanes) for k in range(kernel.constants)
    ]

    def body(first: Value, carried: list[Value], mask: Value | None) -> list[Value]:
        at = f.mul(first, scalar.bytes)
        values = []
        for start in places[: kernel.inputs]:
            place = f.offset(start, at)
            values.append(f.load(kind, place) if mask is None else f.load_masked(kind, place, mask))
        for name, operands in kernel.instructions:
            operand_values = [values[o] if o >= 0 else constants[-o - 1] for o in operands]
            values.append(_result(f, name, operand_values, scalar))
        total = carried[0]
        zero = Value(kind, "zeroinitializer")
        for number, start in zip(kernel.outputs, places[kernel.inputs :], strict=True):
            value, place = as_number(f, values[number], scalar.scalar), f.offset(start, at)
            if mask is None:
                f.store(value, place)
            else:
                f.store_masked(value, place, mask)
                value = f.select(mask, value, zero)
            # Zero times a number is NaN if that is not finite; a sum of zeros is zero.
            total = f.binary("fadd", total, f.binary("fmul", value, zero))
        return [total]

    whole = f.binary("and", size, integer(-lanes))
    rest = f.binary("sub", size, whole)
    sums = f.loop(integer(0), whole, lanes, lambda i, v: body(i, v, None), [Value(kind, "zeroinitializer")])
    some = f.convert("zext", f.compare("icmp ne", rest, integer(0)), I64)
    mask = f.first_lanes(rest, lanes)
    sums = f.loop(integer(0), some, 1, lambda _, v: body(whole, v, mask), sums)
    f.store(horizontal(f, sums[0]), flag)
    return module


def _result(f: Function, name: str, operands: list[Value], scalar: Type) -> Value:
    if name == "positive":
        return operands[0]
    return apply(f, name, operands, scalar.scalar)


def _renew() -> None:
    """In a forked child: the lock may be held by a thread that the child does not have."""
    global _lock
    _lock = threading.Lock()


locks.in_child(_renew)
