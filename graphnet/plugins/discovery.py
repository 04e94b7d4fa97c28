"""The installed entry points, whatever their distributions' metadata look like."""

from __future__ import annotations

import os
from importlib import metadata
from typing import NamedTuple

from graphnet.plugins.record import VARIABLE
from graphnet.plugins.versions import required

GROUP = "graphnet"


class Found(NamedTuple):
    """An entry point, and the distribution that it belongs to; ordered by distribution and name."""

    distribution: str
    name: str
    version: str
    point: metadata.EntryPoint

    @property
    def requirement(self) -> str:
        """The version of graphnet that the distribution asks for; empty for any."""
        try:
            return required(self.point.dist.requires or [], "graphnet")  # type: ignore[union-attr]
        except Exception:
            return ""


def installed() -> list[Found]:
    """All entry points of the group, ordered by distribution and name."""
    return sorted((_found(point) for point in _points()), key=lambda found: found[:3])


def _points() -> list[metadata.EntryPoint]:
    try:
        return list(metadata.entry_points(group=GROUP))
    except Exception:  # one distribution with a broken list of entry points must not hide the others
        return _points_one_by_one()


def _points_one_by_one() -> list[metadata.EntryPoint]:
    """The entry points of every distribution whose list can be read; the first distribution of a name counts."""
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


def _found(point: metadata.EntryPoint) -> Found:
    """An entry point with name and version of its distribution; its module where that cannot be told."""
    try:
        name, version = point.dist.metadata["Name"], point.dist.version  # type: ignore[union-attr]
    except Exception:
        name, version = None, None
    return Found(str(name or point.value), point.name, str(version or "unknown"), point)


class Allowed(NamedTuple):
    """Which plugins may load: those of ``names`` (None: all), less those of ``out``."""

    names: frozenset[str] | None = None
    out: frozenset[str] = frozenset()

    def admits(self, *names: str) -> bool:
        """Whether a plugin, given by the names that it goes by, may load."""
        return not self.out & set(names) and (self.names is None or bool(self.names & set(names)))


def allowed(text: str | None = None) -> Allowed:
    """The allow list of a text such as ``recurrent,swish`` or ``-swish``; of the environment, where there is no
    text."""
    given = os.environ.get(VARIABLE, "") if text is None else text
    parts = {name.strip() for name in given.split(",")} - {""}
    out = frozenset(name[1:] for name in parts if name.startswith("-"))
    names = frozenset(name for name in parts if not name.startswith("-"))
    if names == {"none"}:
        return Allowed(frozenset())
    return Allowed(names or None, out)


def version(distribution: str) -> str:
    """The version of an installed distribution; "0" where it runs from its sources alone."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "0"
