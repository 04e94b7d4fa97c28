"""The registered objects, by kind and name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from graphnet.core.distribution import canonical, normalized
from graphnet.core.errors import GraphnetWarning, PluginError, UnknownNameError, did_you_mean, unknown
from graphnet.plugins.hookspecs import KINDS

#: The distribution of what a process has registered for itself; see :func:`graphnet.register`.
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered object.

    ``id`` is ``distribution/name`` and always finds it; the short ``name`` works while it is unique.
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
    def spellings(self) -> frozenset[str]:
        """The :func:`folded` names that find it."""
        abbreviation = getattr(self.object, "abbreviation", None)
        return frozenset(folded(name) for name in (self.name, abbreviation) if isinstance(name, str))

    @property
    def id(self) -> str:
        """``distribution/name``."""
        return f"{self.distribution}/{self.name}"

    @property
    def origin(self) -> str:
        """``distribution version``."""
        return f"{self.distribution} {self.version}"


def folded(name: str) -> str:
    """A name without what does not count in its spelling: upper case, underscores, hyphens and spaces.

    Examples
    --------
    >>> folded("cross_entropy") == folded("CrossEntropy"), folded("adam-w") == folded("AdamW")
    (True, True)
    """
    return "".join(character for character in name.casefold() if character not in "_- ")


class Registry:
    """Entries by kind (layers, optimizers, …) and name."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}
        self._preferred: frozenset[str] = frozenset()
        self._former: list[Entry] = []

    def copy(self) -> Registry:
        """Return a registry with the same entries; what is added to one of the two is not in the other."""
        other = Registry()
        other._entries = {kind: dict(entries) for kind, entries in self._entries.items()}
        other._preferred, other._former = self._preferred, list(self._former)
        return other

    def preferring(self, distributions: Iterable[str]) -> Registry:
        """Return a view of the entries in which these distributions win where several register the same short name.

        A file that names its required distributions keeps its meaning when another one with a layer of the same name is
        installed.
        """
        view = Registry()
        view._entries, view._preferred = self._entries, frozenset(canonical(name) for name in distributions)
        view._former = self._former
        return view

    def add(self, entries: Iterable[Entry]) -> None:
        """Add all of ``entries``, or none of them.

        Raises
        ------
        PluginError
            If an id is already registered; the message names both distributions.
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

    def put_local(self, entry: Entry) -> None:
        """Add an entry of this process, in place of an earlier one of the same name."""
        known = self._entries.setdefault(entry.kind, {})
        former = known.pop(entry.id, None)
        if former is not None and former.object is not entry.object:
            self._former.append(former)
        known[entry.id] = entry

    def entries(self, kind: str) -> list[Entry]:
        """Return all entries of a kind, in the order of registration.

        Raises
        ------
        UnknownNameError
            For an unknown kind.
        """
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        return list(self._entries.get(kind, {}).values())

    def matching(self, kind: str, name: str) -> list[Entry]:
        """Return the entries with a short name or an id, in the order of registration; empty if there is none.

        Where no name is spelt so, upper case and underscores do not count: ``cross_entropy`` finds ``CrossEntropy``. An
        object is also found by its attribute ``abbreviation``, such as ``mse``.

        The distribution of an id may be spelt in any form that PEP 503 treats as equal, and graphnet's own also by its
        former name: ``graphnet/Dropout`` finds ``graphnet-framework/Dropout``.
        """
        if not isinstance(name, str):
            raise UnknownNameError(f"not the name of one of the {kind}", expected="text", received=repr(name)[:80])
        distribution, slash, short = name.rpartition("/")
        entries = [entry for entry in self.entries(kind) if entry.name == short]
        entries = entries or [entry for entry in self.entries(kind) if folded(short) in entry.spellings]
        if not slash:  # what a process has registered for itself does not change the meaning of a file
            return [entry for entry in entries if entry.distribution != LOCAL] or entries
        owner = canonical(distribution)
        entries = [entry for entry in entries if canonical(entry.distribution) == owner]
        return [entry for entry in entries if normalized(entry.distribution) == owner] or entries

    def get(self, kind: str, name: str) -> Entry:
        """Return the entry with a short name or an id, ``distribution/name``.

        Raises
        ------
        UnknownNameError
            For an unknown name; the message has the closest names and their distributions.
        PluginError
            If several distributions register the short name; the message names them.
        """
        entries = self.matching(kind, name)
        if len(entries) > 1:
            preferred = [entry for entry in entries if canonical(entry.distribution) in self._preferred]
            entries = preferred if len(preferred) == 1 else entries
        if len(entries) > 1:
            raise PluginError(
                f"{KINDS[kind].singular} {name!r} is registered by {' and '.join(entry.origin for entry in entries)}",
                expected="a qualified name",
                received=name,
                remedy=f"Write {' or '.join(entry.id for entry in entries)}.",
            )
        if not entries:
            raise UnknownNameError(f"unknown {KINDS[kind].singular} {name!r}", remedy=self._suggestion(kind, name))
        return entries[0]

    def _suggestion(self, kind: str, name: str) -> str:
        entries = self.entries(kind)
        distribution = name.rpartition("/")[0]
        if distribution == LOCAL:
            known = ", ".join(entry.name for entry in entries if entry.distribution == LOCAL) or "none"
            return (
                "It is a class of the process that wrote the file, and a file has no code: define it and decorate it "
                f"with @graphnet.register, then load the file. Registered {kind} of this process: {known}."
            )
        if distribution and canonical(distribution) not in map(canonical, self._distributions()):
            hint = did_you_mean(distribution, self._distributions())
            return f"{hint} No plugin of {distribution!r} is loaded; `graphnet plugins` lists the plugins.".strip()
        origins = {entry.name: entry.origin for entry in entries}
        hint = did_you_mean(name.rpartition("/")[2], origins, lambda known: f"{known!r} ({origins[known]})")
        known = ", ".join(sorted(origins)) or "none"
        return hint or f"Known {kind}: {known}. A plugin may be missing; `graphnet plugins` lists the plugins."

    def _distributions(self) -> list[str]:
        """The distributions that registered something."""
        return sorted({entry.distribution for kind in self._entries.values() for entry in kind.values()})

    def entry_of(self, thing: object, kind: str = "layers") -> Entry:
        """Return the entry of a registered object, such as a layer's class.

        Raises
        ------
        PluginError
            If it is not registered.

        Warns
        -----
        GraphnetWarning
            If its name has been registered again since, with another object, which is what the name now means.
        """
        for entry in self.entries(kind):
            if entry.object is thing:
                return entry
        for entry in self._former:
            if entry.kind == kind and entry.object is thing:
                warnings.warn(
                    f"{entry.id} has been registered again since this object was made, and the name means the new "
                    f"{entry.what}: a file that is written now is read with that one. If the two compute different "
                    "things, make the object again",
                    GraphnetWarning,
                    stacklevel=3,
                )
                return entry
        name = getattr(thing, "__name__", repr(thing))
        raise PluginError(
            f"{name} is not registered, so a file cannot refer to it",
            expected=f"one of the registered {kind}",
            received=f"{getattr(thing, '__module__', '?')}.{name}",
            remedy="Decorate the class with @graphnet.register: files then refer to it, for processes that register it "
            f"too; or register it in a plugin's graphnet_register_{kind} hook.",
        )

    def short_name(self, entry: Entry) -> str:
        """Return the name to write in a file: the short one if it is unique, else the id."""
        same = [e for e in self.entries(entry.kind) if e.name == entry.name and e.distribution != LOCAL]
        return entry.name if entry in same and len(same) == 1 else entry.id
