"""The check that an argument is a graph, for everything that runs or trains one."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.value import Value
from graphnet.core.errors import ConfigError


def require_graph(graph: Any, where: str) -> Graph:
    """Return the argument if it is a Graph.

    Raises
    ------
    ConfigError
        For anything else; the remedy depends on what it is.
    """
    if isinstance(graph, Graph):
        return graph
    raise ConfigError(
        "not a graph",
        where=where,
        expected="a Graph, as Builder.build returns it",
        received=repr(graph)[:100],
        remedy=_remedy(graph),
    )


def _remedy(graph: Any) -> str:
    if isinstance(graph, Builder):
        return "Call build(output=value) on the Builder, and pass what it returns."
    if isinstance(graph, Value):
        return "Call build(value) on its Builder, and pass what it returns."
    if isinstance(graph, Layer):
        return "Apply the layer to an input of a Builder and build that, or use layer.forward(array)."
    if isinstance(graph, (list, tuple)):
        return "Use Sequential(layer, layer, ...) for layers one after the other, or a Builder."
    if hasattr(graph, "graph"):
        return f"Pass {type(graph).__name__}.graph."
    return "Write the model with a Builder."
