"""The graph of what a user wants to inspect."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.errors import ConfigError


def graph_of(target: Any, function: str) -> Graph:
    """Return a graph, or the graph of a Model, a Runner or a composite layer.

    Raises
    ------
    ConfigError
        If ``target`` has no graph; the message names ``function``.
    """
    graph = getattr(target, "graph", target)
    if isinstance(graph, Graph):
        return graph
    raise ConfigError(
        "there is no graph to inspect",
        where=function,
        expected="a Model, a Graph, a Runner or a layer made of layers",
        received=repr(target)[:200],
        remedy="Make a graph of the layer: graphnet.Sequential(layer)." if isinstance(target, Layer) else None,
    )
