"""The ``register`` argument of a hook: takes objects of one kind, and refuses invalid ones."""

from __future__ import annotations

from typing import Any

from graphnet.core.errors import PluginError
from graphnet.plugins.hookspecs import Kind
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Entry


class Collector:
    """``register`` of one kind for one plugin; ``entries`` collects what all hooks of the plugin register."""

    def __init__(self, kind: Kind, plugin: Plugin, entries: list[Entry]) -> None:
        self.kind, self.plugin, self.entries = kind, plugin, entries
        self.open = True

    def __call__(self, thing: Any, name: str | None = None) -> None:
        """Take an object, under its own name or under ``name``.

        Raises
        ------
        PluginError
            If the object or its name is not valid for this kind, or the hook has already returned.
        """
        used = name or getattr(thing, self.kind.own_name, None)
        problem = self.kind.check(thing)
        if problem is None and not (isinstance(used, str) and self.kind.named(used)):
            problem = f"an object whose name, {used!r}, is not valid"
        if not self.open:
            problem = "an object after the hook had returned"
        if problem is not None:
            raise PluginError(
                f"register was given {problem}",
                where=f"{self.kind.hook} of {self.plugin.distribution}",
                expected=self.kind.expected,
                received=repr(thing)[:200],
            )
        self.entries.append(Entry(self.kind.name, str(used), thing, self.plugin.distribution, self.plugin.version))
