"""What plugins registered, by kind and name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from graphnet.core.errors import PluginError, UnknownNameError, did_you_mean, unknown
from graphnet.plugins.hookspecs import KINDS
from graphnet.plugins.versions import plain


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered object.

    ``id`` is ``distribution/name`` and always finds it; the short ``name`` does while it is unique.
    """

    kind: str
    name: str
    object: Callable[..., Any]
    distribution: str
    version: str

    @property
    def what(self) -> str:
        """The kind in the singular: ``layer``, ``loss``."""
        return KINDS[self.kind].singular

    @property
    def id(self) -> str:
        """``distribution/name``."""
        return f"{self.distribution}/{self.name}"

    @property
    def origin(self) -> str:
        """``distribution version``."""
        return f"{self.distribution} {self.version}"


class Registry:
    """Entries by kind (layers, optimizers, …) and name."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}
        self._preferred: frozenset[str] = frozenset()

    def preferring(self, distributions: Iterable[str]) -> Registry:
        """The same entries, where a short name that several distributions offer is that of the only one of these.

        A file that names the distributions which it needs goes on meaning the same when another one is installed that
        offers a layer of the same name.
        """
        view = Registry()
        view._entries, view._preferred = self._entries, frozenset(plain(name) for name in distributions)
        return view

    def add(self, entries: Iterable[Entry]) -> None:
        """Add all of ``entries``, or none of them.

        Raises
        ------
        PluginError
            If an id is taken; the message names both owners.
        """
        new: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            owner = new.get((entry.kind, entry.id)) or self._entries.get(entry.kind, {}).get(entry.id)
            if owner is not None:
                raise PluginError(
                    f"{entry.what} {entry.name!r} of {entry.origin} is already registered by {owner.origin}",
                    where=entry.id,
                    remedy="Rename one of the two, or uninstall one of the distributions.",
                )
            new[entry.kind, entry.id] = entry
        for entry in new.values():
            self._entries.setdefault(entry.kind, {})[entry.id] = entry

    def entries(self, kind: str) -> list[Entry]:
        """All entries of a kind, in the order in which they were registered.

        Raises
        ------
        UnknownNameError
            If there is no such kind.
        """
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        return list(self._entries.get(kind, {}).values())

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a short name or of a ``distribution/name``.

        Raises
        ------
        UnknownNameError
            If there is none; the message has the nearest names and who offers them.
        PluginError
            If two distributions offer the short name; the message names both.
        """
        found = [e for e in self.entries(kind) if name in (e.id, e.name)]
        if len(found) > 1:
            wanted = [e for e in found if plain(e.distribution) in self._preferred]
            found = wanted if len(wanted) == 1 else found
        if len(found) > 1:
            raise PluginError(
                f"{KINDS[kind].singular} {name!r} is offered by {' and by '.join(e.origin for e in found)}",
                expected="a qualified name",
                received=name,
                remedy="Write " + " or ".join(e.id for e in found) + ".",
            )
        if not found:
            raise UnknownNameError(f"unknown {KINDS[kind].singular} {name!r}", remedy=self._suggestion(kind, name))
        return found[0]

    def _suggestion(self, kind: str, name: str) -> str:
        entries = self.entries(kind)
        distribution = name.rpartition("/")[0]
        if distribution and distribution not in self._distributions():
            hint = did_you_mean(distribution, self._distributions())
            return f"{hint} No plugin of {distribution!r} is loaded; `graphnet plugins` lists the plugins.".strip()
        origins = {entry.name: entry.origin for entry in entries}
        hint = did_you_mean(name.rpartition("/")[2], origins, lambda known: f"{known!r} ({origins[known]})")
        known = ", ".join(sorted(origins)) or "none"
        return hint or f"Known {kind}: {known}. A plugin may be missing; `graphnet plugins` lists the plugins."

    def _distributions(self) -> list[str]:
        """Who registered anything."""
        return sorted({entry.distribution for kind in self._entries.values() for entry in kind.values()})

    def entry_of(self, thing: object, kind: str = "layers") -> Entry:
        """The entry of a registered object, such as a layer's class.

        Raises
        ------
        PluginError
            If it is not registered.
        """
        for entry in self.entries(kind):
            if entry.object is thing:
                return entry
        name = getattr(thing, "__name__", repr(thing))
        raise PluginError(
            f"{name} is not registered, so no file can name it",
            expected=f"one of the registered {kind}",
            received=f"{getattr(thing, '__module__', '?')}.{name}",
            remedy=f"Register it in a plugin's graphnet_register_{kind} hook.",
        )

    def short_name(self, entry: Entry) -> str:
        """The name to write in a file: short while it is unique."""
        same = [e for e in self.entries(entry.kind) if e.name == entry.name]
        return entry.name if len(same) == 1 else entry.id
