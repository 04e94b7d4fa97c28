"""The installed entry points of plugins; invalid metadata of one distribution does not affect the others."""

from __future__ import annotations

import os
from importlib import metadata
from typing import NamedTuple

from graphnet.core.distribution import FORMER, NAME
from graphnet.plugins.record import VARIABLE
from graphnet.plugins.versions import required

GROUP = "graphnet"


class PluginEntryPoint(NamedTuple):
    """An entry point and its distribution; ordered by distribution and name."""

    distribution: str
    name: str
    version: str
    point: metadata.EntryPoint
    requirements: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """The version of graphnet that the distribution requires; empty for any."""
        return self._required(NAME) or self._required(FORMER)

    def _required(self, name: str) -> str:
        try:
            return required(self.requirements, name)
        except Exception:
            return ""


def installed() -> list[PluginEntryPoint]:
    """Return all entry points of the group, ordered by distribution and name."""
    return sorted((_with_distribution(point) for point in _points()), key=lambda point: point[:3])


def _points() -> list[metadata.EntryPoint]:
    try:
        return list(metadata.entry_points(group=GROUP))
    except Exception:  # a distribution with an invalid list of entry points must not hide the others
        return _points_one_by_one()


def _points_one_by_one() -> list[metadata.EntryPoint]:
    """The entry points of every distribution whose list is valid; of several with one name, those of the first."""
    seen: set[str] = set()
    points: list[metadata.EntryPoint] = []
    for distribution in metadata.distributions():
        try:
            name = str(distribution.metadata["Name"])
            own = list(distribution.entry_points.select(group=GROUP))
        except Exception:
            continue
        points += [] if name in seen else own
        seen.add(name)
    return points


def _with_distribution(point: metadata.EntryPoint) -> PluginEntryPoint:
    """An entry point with the name and version of its distribution; if they are unknown, the name of its module."""
    name = version = None
    requirements: tuple[str, ...] = ()
    try:
        found = point.dist.metadata  # type: ignore[union-attr] # each access parses the file
        name, version = found["Name"], found["Version"]
        requirements = tuple(map(str, found.get_all("Requires-Dist") or ()))
    except Exception:  # what is known so far is used
        pass
    return PluginEntryPoint(str(name or point.value), point.name, str(version or "unknown"), point, requirements)


class Allowed(NamedTuple):
    """Which plugins may load: those in ``names`` (None: all), without those in ``excluded``."""

    names: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()

    def admits(self, *names: str) -> bool:
        """Whether a plugin with these names (entry point and distribution) may load."""
        return not self.excluded & set(names) and (self.names is None or bool(self.names & set(names)))


def allowed(text: str | None = None) -> Allowed:
    """Parse an allow list such as ``recurrent,swish`` or ``-swish``; None reads it from the environment."""
    text = os.environ.get(VARIABLE, "") if text is None else text
    parts = {name.strip() for name in text.split(",")} - {""}
    excluded = frozenset(name[1:] for name in parts if name.startswith("-"))
    names = frozenset(name for name in parts if not name.startswith("-"))
    if names == {"none"}:
        return Allowed(frozenset())
    return Allowed(names or None, excluded)
