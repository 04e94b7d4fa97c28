"""The backend: plans as numpy binds them, with programs in native code. Imports llvmlite only when it binds a plan."""

from __future__ import annotations

import importlib
import importlib.util
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.compile.program import Program
from graphnet.core.elementwise_kernels import Compiled as CompiledKernel
from graphnet.core.elementwise_kernels import Kernel
from graphnet.core.operations import Operation
from graphnet.core.run.context import BindOptions
from graphnet.core.run.numpy_backend.plan import CompiledPlan
from graphnet.core.run.numpy_backend.region import MIN_NODES

if TYPE_CHECKING:
    from graphnet.core.run.numpy_backend.executable import Executable
    from graphnet_native.executable import NativeExecutable


@cache
def _missing() -> str | None:
    """What this installation lacks."""
    if struct.calcsize("P") != 8:
        return "it needs a 64-bit Python"
    if importlib.util.find_spec("llvmlite") is None:
        return "llvmlite is not installed; install graphnet-native with its dependencies"
    return None


def executable(program: Program, steps: int, batch: int, dtype: str) -> NativeExecutable | Executable:
    """What runs a program; llvmlite is imported here."""
    from graphnet_native import backend

    made: NativeExecutable | Executable = backend.executable(program, steps, batch, dtype)
    return made


def _operation(module: str, name: str) -> Callable[..., Any]:
    """A function of a module of this package, which is imported at its first call; None where numpy must do it."""
    found: list[Callable[..., Any]] = []

    def function(*arguments: Any) -> Any:
        if not found:
            from graphnet_native import availability

            if not availability.usable():
                return None
            found.append(getattr(importlib.import_module(f"graphnet_native.{module}"), name))
        return found[0](*arguments)

    return function


#: What the backend offers to the rules of layers that run node by node.
OPERATIONS: dict[str, Callable[..., Any]] = {
    Operation.WINDOWED_PRODUCT: _operation("windowed", "windowed_product"),
    Operation.WINDOWED_ERROR: _operation("windowed", "windowed_error"),
    Operation.WINDOWED_GRADIENT: _operation("windowed", "windowed_gradient"),
    Operation.NORMALIZED: _operation("columns", "normalized"),
    Operation.COLUMN_SUMS: _operation("columns", "column_sums"),
    Operation.CROSS_ENTROPY: _operation("classification", "cross_entropy"),
    Operation.ELEMENTWISE_RECURRENCE: _operation("recurrences", "elementwise"),
    Operation.OUTER_RECURRENCE: _operation("outer_products", "outer_recurrence"),
    Operation.OUTER_RECURRENCE_ERROR: _operation("outer_products", "outer_error"),
}


class NativeBackend:
    """Runs programs in native code, and everything else as the numpy backend does.

    It offers itself where no backend is named: see :class:`graphnet.core.run.backends.Backend`.
    """

    priority = 100
    operations = OPERATIONS

    @classmethod
    def unavailable(cls) -> str | None:
        """What this installation lacks; None if nothing."""
        return _missing()

    @classmethod
    def failed(cls) -> str | None:
        """Why numpy runs everything in this process in its place, if that has been found since."""
        known = sys.modules.get("graphnet_native.availability")
        return None if known is None else known.found()

    @classmethod
    def details(cls) -> dict[str, Any]:
        """What ``graphnet doctor`` shows; tries a machine that is seen for the first time."""
        from graphnet_native.availability import status

        found = status()
        return {
            "reason": None if found.available else found.reason,
            "level": f"{found.level} (vectors of {found.vector_bytes * 8} bits)",
            "note": found.reason or "none",
            "compiler": found.compiler,
            "features": list(found.features),
            "cache": "none" if found.cache is None else str(found.cache),
            "cache_problem": found.cache_problem,
            "cache_entries": found.entries,
            "cache_bytes": found.bytes,
        }

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: Sequence[bool]) -> CompiledPlan:
        """Bind a plan; see :class:`graphnet.core.run.backends.Backend`."""
        if any(isinstance(step, Loop) for step in plan.steps) or len(plan.steps) >= MIN_NODES:
            from graphnet_native import availability

            availability.begin()  # a new machine is tried while the programs are traced
            if availability.known_unusable():
                return CompiledPlan(plan, shapes, options, list(wanted))
        options = replace(options, executable=executable, operations=OPERATIONS)
        return CompiledPlan(plan, shapes, options, list(wanted))

    def elementwise(self, kernel: Kernel, dtype: str) -> CompiledKernel | None:
        """An elementwise kernel in native code; see :mod:`graphnet.core.elementwise_kernels`."""
        from graphnet_native import availability, kernels

        return kernels.elementwise(kernel, dtype) if availability.usable() else None
