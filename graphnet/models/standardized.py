"""The standardization of a table's features, as a layer at the input of a graph."""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Node, Ref
from graphnet.core.errors import ConfigError, GraphError
from graphnet.data.datasets import Dataset
from graphnet.data.tables.preparation import Preparation
from graphnet.layers.standardize import Standardize


def standardized(graph: Graph, data: Dataset | Preparation) -> Graph:
    """The graph with the standardization that was learned from a table's training rows, as a layer at its input.

    The new node, ``standardize_x`` for the input ``x``, is between the input and all nodes that read it. If a
    Standardize layer is the only one that reads the input already, it gets the new numbers. The layers are the same
    objects as in ``graph``. Without a standardization, the graph is returned as it is.

    Parameters
    ----------
    graph : Graph
    data : Dataset or Preparation
        Of :func:`graphnet.datasets.table`, with ``standardize=True``.

    Raises
    ------
    ConfigError
        If the data are not those of a table.
    GraphError
        If the graph does not have the input, or has another node of that name.
    """
    preparation = data if isinstance(data, Preparation) else getattr(data, "preparation", None)
    if not isinstance(preparation, Preparation):
        received = getattr(data, "name", None) or type(data).__name__
        raise ConfigError("not the data of a table", where="standardized", expected="the result of datasets.table",
                          received=received)  # fmt: skip
    if preparation.standardization is None:
        return graph
    name = preparation.schema.input
    if name not in graph.inputs:
        raise GraphError("has no such input", where=f"graph {graph.name!r}", expected=", ".join(graph.inputs),
                         received=name, remedy=f"Set input: {next(iter(graph.inputs))}.")  # fmt: skip
    mean, scale = preparation.standardization
    layer = Standardize(tuple(mean), tuple(scale))
    readers = [node for node in graph.nodes.values() if any(ref and ref.source == name for ref in node.inputs)]
    if len(readers) == 1 and isinstance(readers[0].layer, Standardize) and Ref(name) not in graph.outputs.values():
        nodes = {**graph.nodes, readers[0].name: replace(readers[0], layer=layer)}
        return Graph(graph.name, graph.inputs, nodes, graph.outputs)
    added = f"standardize_{name}"
    if added in graph.nodes or added in graph.inputs:
        raise GraphError(f"has a node {added!r} already", where=f"graph {graph.name!r}", remedy="Rename it.")

    def moved(ref: Ref | None) -> Ref | None:
        return Ref(added) if ref is not None and ref.source == name else ref

    nodes = {added: Node(added, layer, (Ref(name),))}
    nodes |= {n: replace(node, inputs=tuple(moved(ref) for ref in node.inputs)) for n, node in graph.nodes.items()}
    return Graph(graph.name, graph.inputs, nodes, graph.outputs)
