"""Recurrences of a matrix state with a full decay in native code: what the backend offers to linear recurrences.

See :mod:`graphnet.core.operations` for the contract, and :mod:`graphnet_native.matrix_scans` for the code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from graphnet_native import features, matrix_scans
from graphnet_native.engine import Engine, key_of, objects_of, version
from graphnet_native.features import Features
from graphnet_native.ir import F32, F64, Module
from graphnet_native.matrix_scans import LOGS, PRODUCT, VALUES, Spec
from graphnet_native.pool import Task, pool
from graphnet_native.workers import allowed

Array = Any
DTYPES = {"f": F32, "d": F64}
#: Numbers of the state over all steps for each thread: fewer are computed faster than threads meet.
SHARED = 100_000
#: Arrays that hold one vector of keys a step; the others have values.
OF_KEYS = "keys", "query"


class Kernel:
    """The compiled function of a specification."""

    def __init__(self, spec: Spec, back: bool, char: str, level: Features) -> None:
        dtype = DTYPES[char]

        def build() -> Module:
            module = Module(level.vector_bytes, version(), level.fused)
            matrix_scans.kernel(module, dtype, level.vector_bytes // dtype.bytes, spec, back)
            return module

        self.names = spec.backward() if back else spec.forward()
        self.engine = Engine(
            objects_of(key_of("matrix scan", repr(spec), str(back), char), build), ["scan", "scan_task"]
        )
        arguments = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        self.alone = ctypes.CFUNCTYPE(None, *arguments)(self.engine.address("scan"))
        self.task = Task(self.engine.address("scan_task"))


@lru_cache(maxsize=64)
def kernel_for(spec: Spec, back: bool, char: str, level: Features) -> Kernel:
    """The function, compiled once for each level of processor features."""
    return Kernel(spec, back, char, level)


def outer_recurrence(arrays: Mapping[str, Array], before: tuple[bool, ...], form: str, size: int) -> bool | None:
    """See :attr:`graphnet.core.operations.Operation.OUTER_RECURRENCE`."""
    state = arrays["state"]
    if not _suitable(arrays):
        return None
    for some in _blocks(state):
        here = _keys(arrays, some, form)
        spec = Spec(some.stop - some.start, before, form, form == PRODUCT and arrays["decay"].shape[-1] == 1)
        added = [name for name in here if name.startswith("output")] if some.start else []
        whole = {name: here[name] for name in added}
        here |= {name: np.empty_like(array) for name, array in whole.items()}
        _run(kernel_for(spec, False, state.dtype.char, features.selected()), here, size, {})
        for name, array in whole.items():
            array += here[name]
    return True


def outer_error(arrays: Mapping[str, Array], before: tuple[bool, ...], form: str, size: int) -> bool | None:
    """See :attr:`graphnet.core.operations.Operation.OUTER_RECURRENCE_ERROR`."""
    state = arrays["state"]
    if not _suitable(arrays):
        return None
    level = features.selected()
    units = -(-state.shape[-1] // (level.vector_bytes // state.itemsize))
    single = form == PRODUCT and arrays["decay"].shape[-1] == 1
    for some in _blocks(state):
        here = _keys(arrays, some, form)
        spec = Spec(some.stop - some.start, before, form, single, "decay error" in arrays)
        summed = {n: a for n, a in here.items() if n.endswith("error") and n.startswith(OF_KEYS)}
        parts = {n: np.empty((units, *a.shape), a.dtype) for n, a in summed.items()}
        added = ["values error", *(["decay error"] if spec.decay and form == PRODUCT else [])]
        whole = {name: here[name] for name in added}
        here |= {name: np.empty(here["values error"].shape, state.dtype) for name in added}
        _run(kernel_for(spec, True, state.dtype.char, level), here | {n: p[0] for n, p in parts.items()}, size, parts)
        for name, array in summed.items():
            np.sum(parts[name], axis=0, out=array)
        for name, array in whole.items():
            found = here[name]
            if name == "decay error":
                found = (found.sum(-1, keepdims=True) if single else found)[..., None, :]
            if some.start:
                array += found
            else:
                array[...] = found
    return True


def _suitable(arrays: Mapping[str, Array]) -> bool:
    dtype = arrays["state"].dtype
    return dtype.char in DTYPES and all(a.dtype == dtype and a.size and a.flags.aligned for a in arrays.values())


def _blocks(state: Array) -> list[slice]:
    """Keys whose states registers hold at once: half of the registers."""
    most = 16 if features.selected().vector_bytes == 64 else 8
    keys = state.shape[-2]
    return [slice(i, min(i + most, keys)) for i in range(0, keys, most)]


def _keys(arrays: Mapping[str, Array], some: slice, form: str) -> dict[str, Array]:
    """The arrays with some keys only."""
    matrices = ["state", "states", "scale", "scale error", *([] if form == PRODUCT else ["decay", "decay error"])]
    found = {}
    for name, array in arrays.items():
        if name in matrices:
            array = array[..., some, :]
        elif name.startswith(OF_KEYS):
            array = array[..., some]
        found[name] = array
    return found


def _run(kernel: Kernel, arrays: dict[str, Array], size: int, parts: Mapping[str, Array]) -> None:
    """Run all units, with several threads if there is enough work; the bits are the same."""
    state = arrays["state"]
    outer, values = state.shape[:-2], state.shape[-1]
    steps, lanes = arrays["values"].shape[1], features.selected().vector_bytes // state.itemsize
    units = -(-values // lanes)
    offsets = np.zeros((int(np.prod(outer)), len(kernel.names)), np.int64)
    entries: list[int] = []
    alive = []
    for i, name in enumerate(kernel.names):
        array = arrays[name]
        if array.shape[-1] > 1 and array.strides[-1] != array.itemsize:
            array = np.array(array, order="C")
        alive.append(array)
        matrix = name in ("state", "states", "scale", "scale error") or (
            name.startswith("decay") and "scale" not in arrays
        )
        timed = name not in ("state", "scale", "scale error")
        axes = [0, *range(2, array.ndim)] if timed else list(range(array.ndim))
        along = [array.strides[axis] if array.shape[axis] > 1 else 0 for axis in axes[: len(outer)]]
        grid = np.zeros(outer, np.int64)
        for axis, stride in enumerate(along):
            shape = [1] * len(outer)
            shape[axis] = outer[axis]
            grid += (np.arange(outer[axis]) * stride).reshape(shape)
        offsets[:, i] = grid.reshape(-1)
        time = array.strides[1] if timed and array.shape[1] > 1 else 0
        inner = parts[name].strides[0] if name in parts else array.strides[-2] if matrix else 0
        entries += [array.ctypes.data, time, inner]
    work = steps * state.size
    workers = max(1, min(allowed(), work // SHARED, units * len(offsets)))
    memory = np.empty(workers * (size + 1) * 2 * state.shape[-2] * lanes + 64, state.dtype)
    each = (size + 1) * 2 * state.shape[-2] * lanes * state.itemsize
    head = [steps, values, units, offsets.ctypes.data, size, memory.ctypes.data, each]
    table = (ctypes.c_int64 * (len(head) + len(entries)))(*head, *entries)
    if workers > 1:
        pool().run(kernel.task, ctypes.addressof(table), 0, units * len(offsets), 0, workers)
    else:
        kernel.alone(ctypes.addressof(table), 0, units * len(offsets))


__all__ = ["LOGS", "PRODUCT", "VALUES", "outer_error", "outer_recurrence"]
