"""The ``register`` that a hook is given: takes objects of one kind, and refuses what does not fit it."""

from __future__ import annotations

from typing import Any

from graphnet.core.errors import PluginError
from graphnet.core.layer import Layer
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Entry

EXPECTED = {
    "layers": "a subclass of graphnet.Layer",
    "optimizers": "a class with calculate_update",
    "regularizers": "a class with calculate and norm",
    "initializers": "a class with initialize",
    "losses": "a class with value and error",
    "metrics": "a class with update and result",
    "datasets": "a function",
}
METHODS = {
    "optimizers": ("calculate_update",),
    "regularizers": ("calculate", "norm"),
    "initializers": ("initialize",),
    "losses": ("value", "error"),
    "metrics": ("update", "result"),
}


class Collector:
    """``register`` of one kind for one plugin; what it takes waits in ``found`` until all hooks went well."""

    def __init__(self, kind: str, record: Plugin, found: list[Entry]) -> None:
        self.kind, self.record, self.found = kind, record, found
        self.open = True

    def __call__(self, thing: Any, name: str | None = None) -> None:
        """Take an object, under its own name or under ``name``.

        Raises
        ------
        PluginError
            If it is not of the kind, its name is no identifier, or the hook has already returned.
        """
        given = getattr(thing, "__name__", None) if name is None else name
        problem = unfit(self.kind, thing)
        if problem is None and not (isinstance(given, str) and given.isidentifier()):
            problem = f"an object whose name is {given!r}, which is no identifier"
        if not self.open:
            problem = "an object after the hook had returned"
        if problem is not None:
            raise PluginError(
                f"register was given {problem}",
                where=f"graphnet_register_{self.kind} of {self.record.distribution}",
                expected=EXPECTED[self.kind],
                received=repr(thing)[:200],
            )
        self.found.append(Entry(self.kind, str(given), thing, self.record.distribution, self.record.version))


def unfit(kind: str, thing: Any) -> str | None:
    """What is wrong with an object of a kind; None if nothing is."""
    if kind == "datasets":
        return None if callable(thing) else "something that cannot be called"
    if not isinstance(thing, type):
        return "an object that is no class"
    if kind == "layers":
        return None if issubclass(thing, Layer) and thing is not Layer else "a class that is no layer"
    missing = [name for name in METHODS[kind] if not callable(getattr(thing, name, None))]
    return f"a class without {' and '.join(missing)}" if missing else None
