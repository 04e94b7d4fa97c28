"""Programs compiled so far, and what runs a program: native code, or numpy where an instruction has none."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from graphnet.core.compile.program import Program
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet_native import products
from graphnet_native.elementwise import Unsupported
from graphnet_native.engine import vector_bytes
from graphnet_native.executable import Compiled, NativeExecutable
from graphnet_native.ir import F32, F64

#: Compiled programs that are kept for further bindings; a bound plan keeps its own alive.
KEPT = 256

_lock = threading.Lock()
_programs: OrderedDict[Any, Compiled | None] = OrderedDict()


def compiled(program: Program, dtype: str, batch: int) -> Compiled | None:
    """The native code of a program, for batches of the class of ``batch``; None if an instruction has no code."""
    kind = products.tiles(F32 if dtype == "float32" else F64, vector_bytes(), batch)
    key = (program, dtype, batch == 1, kind)
    with _lock:
        if key in _programs:
            _programs.move_to_end(key)
            return _programs[key]
        try:
            _programs[key] = Compiled(program, dtype, batch)
        except Unsupported:
            _programs[key] = None
        while len(_programs) > KEPT:
            _programs.popitem(last=False)
        return _programs[key]


def executable(program: Program, steps: int, batch: int, dtype: str) -> NativeExecutable | Executable:
    """What runs a program: native code, or numpy's calls where an instruction has no code."""
    code = compiled(program, dtype, batch) if steps and batch else None
    if code is None:
        return Executable(program, steps, batch, dtype)
    return NativeExecutable(program, code, steps, batch, dtype)
