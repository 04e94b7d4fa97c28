"""Elementwise recurrences in native code: what the backend offers to linear recurrences.

See :mod:`graphnet.core.operations` for the contract, and :mod:`graphnet_native.scans` for the code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet_native import features, scans
from graphnet_native.engine import Engine, key_of, objects_of, version
from graphnet_native.features import Features
from graphnet_native.ir import F32, F64, Module
from graphnet_native.pool import Task, pool
from graphnet_native.scans import READ, STATE, SUM, WRITTEN, Operand
from graphnet_native.workers import allowed

Array = Any
DTYPES = {"f": F32, "d": F64}
#: Numbers of all steps for each thread: fewer are computed faster than threads meet.
SHARED = 100_000
#: Numbers of all steps from which on a call releases the interpreter's lock.
RELEASE = 1 << 14
#: The arrays of each kind, by what they are.
ROLES: dict[str, dict[str, str]] = {
    "diagonal": {READ: "a/b", WRITTEN: "after", STATE: "s"},
    "diagonal error": {
        READ: "a/before/after error/before error", WRITTEN: "a error/b error", STATE: "e", SUM: "a sum",
    },
    "rotation": {READ: "re/im/b/c", WRITTEN: "x after/y after", STATE: "x/y"},
    "rotation error": {
        READ: "re/im/x before/y before/x error/y error/x early/y early",
        WRITTEN: "re error/im error/b error/c error", STATE: "d/e", SUM: "re sum/im sum",
    },
    "max plus": {READ: "f/i", WRITTEN: "after", STATE: "m"},
    "max plus error": {READ: "f/i/before/after error/before error", WRITTEN: "f error/i error", STATE: "e"},
}  # fmt: skip
ROLE = {kind: {n: role for role, names in roles.items() for n in names.split("/")} for kind, roles in ROLES.items()}


class Kernel:
    """The compiled function of a kind with some operands."""

    def __init__(self, kind: str, char: str, operands: Sequence[Operand], level: Features) -> None:
        dtype = DTYPES[char]

        def build() -> Module:
            module = Module(level.vector_bytes, version(), level.fused)
            scans.kernel(module, dtype, level.vector_bytes // dtype.bytes, operands, scans.STEPS[kind])
            return module

        key = key_of("elementwise recurrence", kind, char, repr(operands))
        self.engine = Engine(objects_of(key, build), ["scan", "scan_task"])
        entry = self.engine.address("scan")
        arguments = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        self.holding = ctypes.PYFUNCTYPE(None, *arguments)(entry)
        self.releasing = ctypes.CFUNCTYPE(None, *arguments)(entry)
        self.task = Task(self.engine.address("scan_task"))


@lru_cache(maxsize=128)
def kernel_for(kind: str, char: str, operands: tuple[Operand, ...], level: Features) -> Kernel:
    """The function, compiled once for each level of processor features."""
    return Kernel(kind, char, operands, level)


Group = tuple[int, tuple[int, ...]]


@lru_cache(maxsize=512)
def grouped(sizes: tuple[int, ...], strides: tuple[tuple[int, ...], ...], size: int) -> tuple[Group, Array]:
    """The lanes, and the offsets of the rows, of arrays with these strides along axes of these sizes.

    Neighbouring axes are one where every array permits it; the last of these groups are the lanes, as their number and
    the stride of each array, the others the rows. There is one lane if lanes are not next to each other.
    """
    groups: list[Group] = []
    for number, along in reversed(list(zip(sizes, zip(*strides, strict=True), strict=True))):
        if number == 1:
            continue
        if groups and all(s == inner * groups[-1][0] for s, inner in zip(along, groups[-1][1], strict=True)):
            groups[-1] = groups[-1][0] * number, groups[-1][1]
        else:
            groups.append((number, along))
    together = bool(groups) and all(s in (0, size) for s in groups[0][1])
    lanes = groups.pop(0) if together else (1, (0,) * len(strides))
    offsets = np.zeros((1, len(strides)), np.int64)
    for number, along in groups:
        steps = np.arange(number, dtype=np.int64)[:, None, None] * np.array(along, np.int64)
        offsets = (steps + offsets).reshape(-1, len(strides))
    return lanes, np.ascontiguousarray(offsets)


def elementwise(kind: str, arrays: Mapping[str, Array]) -> bool | None:
    """See :attr:`graphnet.core.operations.Operation.ELEMENTWISE_RECURRENCE`."""
    roles = ROLE[kind]
    state = next(array for name, array in arrays.items() if roles[name] == STATE)
    dtype, sizes = state.dtype, state.shape
    if dtype.char not in DTYPES or not state.size or any(a.dtype != dtype for a in arrays.values()):
        return None
    names = sorted(arrays)
    steps, given, strides, times = 0, [], [], []
    for name in names:
        array = arrays[name]
        timed = roles[name] in (READ, WRITTEN)
        if not _suitable(array, 2 if timed else 1):
            if roles[name] != READ:
                return None
            array = np.array(array, order="C")
        given.append(array)
        if timed:
            steps = max(steps, array.shape[1])
        times.append(array.strides[1] if timed and array.shape[1] > 1 else 0)
        inner = [0, *range(2, array.ndim)] if timed else range(array.ndim)
        strides.append(tuple(array.strides[i] if array.shape[i] > 1 else 0 for i in inner))
    if not steps:
        return True
    lanes, offsets = grouped(sizes, tuple(strides), dtype.itemsize)
    operands = tuple(
        Operand(name, roles[name], lanes[0] > 1 and not along) for name, along in zip(names, lanes[1], strict=True)
    )
    if any(o.single and o.role != READ for o in operands):
        return None
    level = features.selected()
    kernel = kernel_for(kind, dtype.char, operands, level)
    units = -(-lanes[0] // (scans.WIDE * level.vector_bytes // dtype.itemsize))
    entries = [steps, lanes[0], units, offsets.ctypes.data]
    for array, time in zip(given, times, strict=True):
        entries += [array.ctypes.data, time]
    _run(kernel, (ctypes.c_int64 * len(entries))(*entries), units * len(offsets), steps * state.size)
    return True


def _suitable(array: Array, leading: int) -> bool:
    """Whether the numbers along the last axis after the leading ones lie next to each other."""
    inner = [stride for size, stride in zip(array.shape[leading:], array.strides[leading:], strict=True) if size > 1]
    return bool(array.flags.aligned) and (not inner or inner[-1] == array.itemsize)


def _run(kernel: Kernel, table: Any, units: int, numbers: int) -> None:
    """Run all units, with several threads if there is enough work; the bits are the same."""
    workers = min(allowed(), numbers // SHARED, units)
    if workers > 1:
        pool().run(kernel.task, ctypes.addressof(table), 0, units, 0, workers)
    else:
        (kernel.holding if numbers < RELEASE else kernel.releasing)(ctypes.addressof(table), 0, units)
