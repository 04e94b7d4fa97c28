"""The backend: plans as numpy binds them, with programs in native code."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Plan
from graphnet.core.compile.program import Program
from graphnet.core.elementwise_kernels import Compiled as CompiledKernel
from graphnet.core.elementwise_kernels import Kernel
from graphnet.core.operations import Operation
from graphnet.core.run.context import BindOptions
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet.core.run.numpy_backend.plan import CompiledPlan
from graphnet_native import availability, features, kernels, products, windowed
from graphnet_native.elementwise import Unsupported
from graphnet_native.engine import vector_bytes
from graphnet_native.executable import Compiled, NativeExecutable
from graphnet_native.ir import F32, F64
from graphnet_native.workers import machine_threads, useful


def _where_usable(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operation that leaves everything to numpy where native code cannot run."""

    @wraps(function)
    def call(*arguments: Any) -> Any:
        return function(*arguments) if availability.usable() else None

    return call


#: What the backend offers to the rules of layers that run node by node.
OPERATIONS: dict[str, Callable[..., Any]] = {
    Operation.WINDOWED_PRODUCT: _where_usable(windowed.windowed_product),
    Operation.WINDOWED_ERROR: _where_usable(windowed.windowed_error),
    Operation.WINDOWED_GRADIENT: _where_usable(windowed.windowed_gradient),
}

#: Compiled programs that are kept for further bindings; a bound plan keeps its own alive.
KEPT = 256

_lock = threading.Lock()
_programs: OrderedDict[Any, Compiled | None] = OrderedDict()


def compiled(program: Program, dtype: str, batch: int, workers: int = 1) -> Compiled | None:
    """The native code of a program, for batches of the class of ``batch``; None if an instruction has no code.

    With several workers, functions that any number of threads share.
    """
    kind = products.tiles(F32 if dtype == "float32" else F64, vector_bytes(), batch)
    key = (program, dtype, batch == 1, kind, workers)
    with _lock:
        if key in _programs:
            _programs.move_to_end(key)
            return _programs[key]
        try:
            made = _compiled(program, dtype, batch, workers)
        except Unsupported:
            made = None
        if availability.settle():  # without native code, nothing is kept: tests change that
            _programs[key] = made
        while len(_programs) > KEPT:
            _programs.popitem(last=False)
        return made


def _compiled(program: Program, dtype: str, batch: int, workers: int) -> Compiled | None:
    """Compile while a new machine is tried, again if that lowers the level, and link; None without native code."""
    while True:
        level = features.selected()
        made = Compiled(program, dtype, batch, workers)
        if not availability.usable():
            return None
        if features.selected() == level:
            break
    made.link()
    availability.warn_about_cache()
    return made


def executable(program: Program, steps: int, batch: int, dtype: str) -> NativeExecutable | Executable:
    """What runs a program: native code, or numpy's calls where an instruction has no code."""
    workers = min(useful(program, steps, batch, dtype), machine_threads())
    code = compiled(program, dtype, batch, workers) if steps and batch else None
    if code is None:
        return Executable(program, steps, batch, dtype)
    return NativeExecutable(program, code, steps, batch, dtype)


class NativeBackend:
    """Runs programs in native code, and everything else as the numpy backend does."""

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: Sequence[bool]) -> CompiledPlan:
        """Bind a plan; see :class:`graphnet.core.run.backends.Backend`."""
        availability.begin()
        if availability.known_unusable():
            return CompiledPlan(plan, shapes, options, list(wanted))
        options = replace(options, executable=executable, operations=OPERATIONS)
        return CompiledPlan(plan, shapes, options, list(wanted))

    def elementwise(self, kernel: Kernel, dtype: str) -> CompiledKernel | None:
        """An elementwise kernel in native code; see :mod:`graphnet.core.elementwise_kernels`."""
        return kernels.elementwise(kernel, dtype) if availability.usable() else None
