"""What follows from the nodes and references of a graph alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphnet.core.describe.graph import Node


def ancestors(nodes: Mapping[str, Node], sources: Iterable[str]) -> frozenset[str]:
    """The nodes among ``sources``, and all nodes that they depend on."""
    found: set[str] = set()
    waiting = list(sources)
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in found:
            found.add(name)
            waiting += [ref.source for ref in nodes[name].inputs if ref is not None]
    return frozenset(found)
