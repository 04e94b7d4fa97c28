"""The backends that run plans: the two built-in ones, and the lookup of others by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Plan
from graphnet.core.errors import ConfigError, unknown
from graphnet.core.garbage import gc_deferred
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.plan import CompiledPlan
from graphnet.core.run.reference.plan import BoundPlan


class Bound(Protocol):
    """A plan bound to shapes, a dtype and a phase: what a :class:`Backend` returns.

    It belongs to one pass at a time, from ``start`` until the pass and its ``backward`` have ended, so it may keep
    arrays of the pass. A Runner binds several for concurrent passes; they must not share anything that a pass changes.

    ``slots`` holds the values of a pass: first the inputs, then the outputs of the steps, as the plan numbers them.
    """

    def start(self, run: RunContext) -> None:
        """Begin a pass; called once before ``forward``, with the weights and row lengths."""

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """Fill ``slots``; returns the values saved for ``backward`` (anything if not ``run.keep``)."""

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext) -> None:
        """Fill ``errors``, which holds those of the outputs, for the inputs; add to ``run.gradients``."""

    def idle(self) -> int:
        """Bytes of arrays kept for the next pass; called while no pass runs."""

    def drop(self) -> None:
        """Release those arrays."""


class Backend(Protocol):
    """Decides how the steps of a plan run.

    A backend must compute the same numbers as ``reference``, up to rounding; the conformance kit compares them.

    Some attributes of the class are optional. ``priority``, an integer, is positive for a backend that offers itself
    where none is named; the available one of the highest priority runs (numpy: 0). ``unavailable()``, a class method,
    returns why it cannot run on this machine, in words, or None; it is called often, and should import nothing large.
    A backend that is unavailable is replaced by numpy, and one line says so. ``failed()``, a class method too, returns
    why it has let numpy run in its place since it was chosen, or None; ``details()`` what ``graphnet doctor`` shows, as
    a dict, with a ``reason`` if it cannot run. ``elementwise(kernel, dtype)`` returns a
    compiled optimizer step; see :data:`graphnet.core.elementwise_kernels.Compiler`. ``operations`` is what it offers to
    losses; see :mod:`graphnet.core.operations`.
    """

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> Bound:
        """Bind a plan to ``shapes``; ``wanted`` says for which inputs errors are wanted."""


class NumpyBackend:
    """Compiled programs of numpy calls; what cannot be compiled runs node by node."""

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> Bound:
        """Bind a plan; see :class:`Backend`."""
        return CompiledPlan(plan, shapes, options, wanted)


class ReferenceBackend:
    """Node by node, uncompiled: slow, and the oracle for every other backend."""

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> Bound:
        """Bind a plan; see :class:`Backend`."""
        return BoundPlan(plan, shapes, replace(options, compiled=False), wanted)


#: The built-in backends, the default first.
BUILT_IN: dict[str, type[Backend]] = {"numpy": NumpyBackend, "reference": ReferenceBackend}


class Source(Protocol):
    """Backends that are not built in, such as those of plugins."""

    def find(self, name: str) -> Backend | None:
        """Return a new backend; None for an unknown name."""

    def names(self) -> list[str]:
        """Return the names of all of them."""

    def automatic(self) -> list[tuple[str, type[Backend]]]:
        """Return the names and classes of those that may run where none is named; a source may lack this method."""


#: Each returns a source, and is called when a backend that is not built in is first asked for.
_sources: list[Callable[[], Source]] = []


def add_source(source: Callable[[], Source]) -> None:
    """Add a function that returns a source of backends; it may import what it needs only when it is called."""
    _sources.append(source)


def names() -> list[str]:
    """Return the names of all backends; those of plugins load the plugins."""
    return [*BUILT_IN, *(name for source in _sources for name in source().names())]


def automatic() -> list[tuple[str, type[Backend]]]:
    """Return the names and classes of the backends, not built in, that may run where none is named."""
    with gc_deferred():  # it imports, and most modules stay alive
        sources = [source() for source in _sources]
        return [offer for source in sources if hasattr(source, "automatic") for offer in source.automatic()]


def find(name: str) -> Backend:
    """Return a new backend.

    Raises
    ------
    ConfigError
        If the name is not text.
    UnknownNameError
        For an unknown name; the message has the known ones.
    """
    if not isinstance(name, str):
        raise ConfigError("not the name of a backend", where="Runner", expected="text, or None", received=repr(name))
    if name in BUILT_IN:
        return BUILT_IN[name]()
    for source in _sources:
        backend = source().find(name)
        if backend is not None:
            return backend
    raise unknown("backend", name, names(), where="Runner")
