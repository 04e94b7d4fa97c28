"""What a process of a group says about itself."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata

import numpy as np

import graphnet


@dataclass(frozen=True)
class Introduction:
    """A process of a group.

    Attributes
    ----------
    process : int
        Its id.
    node : str
        Ray's id of its node.
    host : str
    versions : dict of name to version
    """

    process: int
    node: str
    host: str
    versions: dict[str, str]

    def __str__(self) -> str:
        return f"process {self.process} on node {self.host}"


def versions() -> dict[str, str]:
    """The versions that must be equal in all processes: Python and numpy to the minor one, graphnet, its plugins."""
    found = {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": ".".join(np.__version__.split(".")[:2]),
        "graphnet-framework": graphnet.__version__,
    }
    for entry in metadata.entry_points(group="graphnet"):
        if entry.dist is not None:
            found[entry.dist.name] = entry.dist.version
    return found


def differences(here: dict[str, str], there: dict[str, str]) -> list[str]:
    """What differs between two processes, each as ``name 1.2 instead of 1.3``."""
    return [
        f"{name} {there.get(name, 'missing')} instead of {here.get(name, 'missing')}"
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    ]
