"""The ``register`` that a hook is given: takes objects of one kind, and refuses what does not fit it."""

from __future__ import annotations

from typing import Any

from graphnet.core.errors import PluginError
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Entry
from graphnet.plugins.validation import EXPECTED, name_of, unfit


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
        given = name_of(self.kind, thing, name)
        problem = unfit(self.kind, thing)
        if problem is None and given is None:
            tried = name or getattr(thing, "__name__", None)
            problem = f"an object whose name is {tried!r}, which is no identifier"
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
