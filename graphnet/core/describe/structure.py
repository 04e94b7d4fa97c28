"""What follows from the nodes and references of a graph alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphnet.core.describe.graph import Graph, Node


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


def signature(graph: Graph) -> tuple[Any, ...]:
    """Names, layers with their configurations, and references, as nested tuples."""
    nodes = tuple(
        (n.name, type(n.layer), tuple((k, _configured(v)) for k, v in n.layer.config().items()), n.inputs)
        for n in (graph.nodes[name] for name in graph.nodes)
    )
    return graph.name, tuple(graph.inputs.items()), nodes, tuple(graph.outputs.items())


def _configured(value: Any) -> Any:
    from graphnet.core.describe.graph import Graph

    if isinstance(value, tuple):
        return tuple(map(_configured, value))
    return value.signature() if isinstance(value, Graph) else value
