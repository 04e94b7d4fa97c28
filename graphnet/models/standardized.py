"""The standardization of a table's features, as a layer at the input of a graph."""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Node, Ref
from graphnet.core.errors import ConfigError, GraphError
from graphnet.data.datasets import Dataset
from graphnet.data.tables.preparation import Preparation
from graphnet.layers.standardize import Standardize

#: The mean and the scale of each feature or target.
Numbers = tuple[list[float], list[float]]


def standardized(graph: Graph, data: Dataset | Preparation) -> Graph:
    """The graph with the standardization that was learned from a table's training rows, as layers at its ends.

    A node between the input and all nodes that read it subtracts the mean of each feature and divides by its standard
    deviation: ``standardize_x`` for the input ``x``. If targets are numbers and there is one output, a node at the
    output, such as ``restore_output``, multiplies by the deviation of the targets and adds their mean: the layers
    between compute with numbers around 0, while inputs and predictions have the units of the table. Nodes of these
    names that are Standardize layers already get the new numbers. All other layers are the same objects as in
    ``graph``. Without a standardization, the graph is returned as it is.

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
    if preparation.standardization is not None:
        graph = _at_input(graph, preparation.schema.input, preparation.standardization)
    if preparation.target_standardization is not None and len(graph.outputs) == 1:
        graph = _at_output(graph, next(iter(graph.outputs)), preparation.target_standardization)
    return graph


def _at_input(graph: Graph, name: str, numbers: Numbers) -> Graph:
    if name not in graph.inputs:
        raise GraphError("has no such input", where=f"graph {graph.name!r}", expected=", ".join(graph.inputs),
                         received=name, remedy=f"Set input: {next(iter(graph.inputs))}.")  # fmt: skip
    added = f"standardize_{name}"
    layer = Standardize(tuple(numbers[0]), tuple(numbers[1]))
    if _is_standardize(graph, added):
        return _with(graph, replace(graph.nodes[added], layer=layer))

    def moved(ref: Ref | None) -> Ref | None:
        return Ref(added) if ref is not None and ref.source == name else ref

    nodes = {n: replace(node, inputs=tuple(moved(ref) for ref in node.inputs)) for n, node in graph.nodes.items()}
    return Graph(graph.name, graph.inputs, {added: Node(added, layer, (Ref(name),)), **nodes}, graph.outputs)


def _at_output(graph: Graph, name: str, numbers: Numbers) -> Graph:
    """``y = scale · x + mean`` is the standardization by ``-mean / scale`` and ``1 / scale``."""
    added = f"restore_{name}"
    means = tuple(-mean / scale for mean, scale in zip(*numbers, strict=True))
    layer = Standardize(means, tuple(1.0 / scale for scale in numbers[1]))
    if _is_standardize(graph, added):
        return _with(graph, replace(graph.nodes[added], layer=layer))
    nodes = {**graph.nodes, added: Node(added, layer, (graph.outputs[name],))}
    return Graph(graph.name, graph.inputs, nodes, {name: Ref(added)})


def _is_standardize(graph: Graph, name: str) -> bool:
    """Whether there is such a node, which may get other numbers."""
    if name in graph.inputs or (name in graph.nodes and not isinstance(graph.nodes[name].layer, Standardize)):
        raise GraphError(f"has another node {name!r}", where=f"graph {graph.name!r}", remedy="Rename it.")
    return name in graph.nodes


def _with(graph: Graph, node: Node) -> Graph:
    return Graph(graph.name, graph.inputs, {**graph.nodes, node.name: node}, graph.outputs)
