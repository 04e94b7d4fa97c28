"""The installed entry points of plugins; invalid metadata of one distribution does not affect the others."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import metadata
from typing import NamedTuple

from graphnet.core.distribution import FORMER, NAME, canonical
from graphnet.plugins.record import VARIABLE
from graphnet.plugins.versions import required

GROUP = "graphnet"
#: The group in which a plugin announces a backend, so that it is found without loading any other plugin. The name is
#: that of the backend; the value is the plugin's module, as in the group above.
BACKENDS = "graphnet.backends"


class PluginEntryPoint(NamedTuple):
    """An entry point and its distribution; ordered by distribution and name.

    Attributes
    ----------
    distribution, name, version : str
    point : importlib.metadata.EntryPoint
    requires : str
        The versions of graphnet that the distribution requires; empty for any.
    notes : tuple of str
        Problems of its metadata.
    """

    distribution: str
    name: str
    version: str
    point: metadata.EntryPoint
    requires: str = ""
    notes: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module that the entry point names."""
        return str(self.point.value).partition(":")[0].partition("[")[0].strip()


def installed(group: str = GROUP) -> list[PluginEntryPoint]:
    """Return all entry points of a group, ordered by distribution and name, each once.

    An entry that a distribution lists twice counts once; if the two differ, the first counts, with a note.
    """
    found: dict[tuple[str, str], PluginEntryPoint] = {}
    for point in sorted(map(_with_distribution, entry_points(group)), key=_order):
        first = found.setdefault(_order(point), point)
        if first.point.value != point.point.value:
            note = f"its entry point {point.name!r} is listed twice, as {first.point.value} and as {point.point.value}"
            found[_order(point)] = first._replace(notes=(*first.notes, f"{note}; the first counts"))
    return list(found.values())


def _order(point: PluginEntryPoint) -> tuple[str, str]:
    return canonical(point.distribution), point.name


def entry_points(group: str = GROUP) -> list[metadata.EntryPoint]:
    """Return the entry points of a group of every distribution, in the order of the search path.

    Of several distributions with one name (PEP 503), the first counts, as for modules. Folders whose name begins with
    ``~`` do not count: pip leaves them behind when an installation is interrupted. ``importlib.metadata.entry_points``
    is not used because one invalid list makes it fail, and because it takes a distribution's name from its folder.
    """
    seen: set[str] = set()
    points: list[metadata.EntryPoint] = []
    for distribution in metadata.distributions():
        try:
            if group not in (distribution.read_text("entry_points.txt") or "") or _is_leftover(distribution):
                continue
            name = canonical(str(distribution.metadata["Name"] or f"nameless {len(seen)}"))
            own = [] if name in seen else list(distribution.entry_points.select(group=group))
        except Exception:  # invalid metadata of one distribution
            continue
        points += own
        seen.add(name)
    return points


def _is_leftover(distribution: metadata.Distribution) -> bool:
    folder = getattr(distribution, "_path", None)
    return str(getattr(folder, "name", "")).startswith("~")


def _with_distribution(point: metadata.EntryPoint) -> PluginEntryPoint:
    """An entry point with the name and version of its distribution; if they are unknown, the name of its module."""
    name = version = None
    lines: tuple[str, ...] = ()
    try:
        found = point.dist.metadata  # type: ignore[union-attr] # each access parses the file
        name, version = found["Name"], found["Version"]
        lines = tuple(map(str, found.get_all("Requires-Dist") or ()))
    except Exception:  # what is known so far is used
        pass
    requires, notes = _requirement(lines)
    return PluginEntryPoint(str(name or point.value), point.name, str(version or "unknown"), point, requires, notes)


def _requirement(lines: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The versions of graphnet that a distribution requires, and problems of that requirement."""
    needed = required(lines, NAME, FORMER)
    notes = [f"its requirement {line!r} is not valid (PEP 508) and is ignored" for line in needed.invalid]
    if required(lines, FORMER).found:
        notes.append(
            f"it requires the distribution {FORMER!r}, which is another project's on the package index; "
            f"it should require {NAME!r}"
        )
    return needed.versions, tuple(notes)


class Allowed(NamedTuple):
    """Which plugins may load: those in ``names`` (None: all), without those in ``excluded``; names are normalized."""

    names: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()
    #: The names as they were written.
    written: tuple[str, ...] = ()

    def admits(self, *names: str) -> bool:
        """Whether a plugin with these names (entry point and distribution) may load."""
        own = {canonical(name) for name in names}
        return not self.excluded & own and (self.names is None or bool(self.names & own))

    def missing(self, known: Iterable[str]) -> list[str]:
        """Return the names, as they were written, that are not among the known ones."""
        there = {canonical(name) for name in known}
        return sorted(name for name in self.written if canonical(name) not in there)


def allowed(text: str | None = None) -> Allowed:
    """Parse an allow list such as ``recurrent,swish`` or ``-swish``; None reads it from the environment."""
    text = os.environ.get(VARIABLE, "") if text is None else text
    parts = {name.strip() for name in text.split(",")} - {""}
    excluded = frozenset(canonical(name[1:]) for name in parts if name.startswith("-"))
    written = tuple(sorted(name for name in parts if not name.startswith("-")))
    if written == ("none",):
        return Allowed(frozenset())
    return Allowed(frozenset(map(canonical, written)) or None, excluded, written)
