"""Programs compiled so far, and what runs a program: native code, or numpy where an instruction has none."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from graphnet.core.compile.program import Program
from graphnet.core.concurrency import locks
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet_native import availability, bounds, features, products
from graphnet_native.calls import suitable
from graphnet_native.elementwise import Unsupported
from graphnet_native.engine import vector_bytes
from graphnet_native.executable import Compiled, NativeExecutable
from graphnet_native.ir import F32, F64
from graphnet_native.layout import layout_of
from graphnet_native.workers import machine_threads, small, useful

#: Compiled programs that are kept for further bindings; a bound plan keeps its own alive.
KEPT = 256

_lock = threading.Lock()
_programs: OrderedDict[Any, Compiled | Unsupported] = OrderedDict()


def compiled(program: Program, dtype: str, batch: int, workers: int = 1) -> Compiled | Unsupported:
    """The native code of a program, for batches of the class of ``batch``; or why there is none.

    With several workers, functions that any number of threads share.
    """
    scalar = F32 if dtype == "float32" else F64
    order = layout_of(program, scalar, vector_bytes(), batch, workers)
    kind = None if order.rows_first else products.tiles(scalar, vector_bytes(), batch)
    key = (program, dtype, order, kind, workers, bounds.enabled())
    with _lock:
        if key in _programs:
            _programs.move_to_end(key)
            return _programs[key]
        try:
            made = _compiled(program, dtype, batch, workers)
        except Unsupported as unsupported:
            made = unsupported.with_traceback(None)
        if availability.settle():  # without native code, nothing is kept: tests change that
            _programs[key] = made
        while len(_programs) > KEPT:
            _programs.popitem(last=False)
        return made


def _compiled(program: Program, dtype: str, batch: int, workers: int) -> Compiled | Unsupported:
    """Compile while a new machine is tried, again if that lowers the level, and link; a reason without native code."""
    while True:
        level = features.selected()
        made = Compiled(program, dtype, batch, workers)
        if not availability.usable():
            return Unsupported(availability.status().reason)
        if features.selected() == level:
            break
    made.link()
    availability.warn_about_cache()
    return made


def executable(program: Program, steps: int, batch: int, dtype: str) -> NativeExecutable | Executable:
    """What runs a program: native code, or numpy's calls where an instruction has no code."""
    workers = min(useful(program, steps, batch, dtype), machine_threads())
    if workers > 1 and suitable(program, batch) and small(program, steps, batch, dtype):
        workers = 1  # a list of calls, which one thread makes
    code = compiled(program, dtype, batch, workers) if steps and batch else Unsupported("there are no steps or no rows")
    if isinstance(code, Unsupported):
        made = Executable(program, steps, batch, dtype)
        made.reason = str(code)
        return made
    return NativeExecutable(program, code, steps, batch, dtype)


def _renew() -> None:
    """In a forked child: the lock may be held by a thread that the child does not have."""
    global _lock
    _lock = threading.Lock()


locks.in_child(_renew)
