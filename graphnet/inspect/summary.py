"""A table of a graph: its nodes with shapes and numbers of parameters, nested graphs indented."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Ref
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.allocation import Specs, specs
from graphnet.core.run.runner import Runner
from graphnet.inspect.node_shapes import node_shapes, shape_of
from graphnet.inspect.summary_table import Row, Summary
from graphnet.inspect.target import graph_of


@explained
def summary(target: Any) -> Summary:
    """Return the nodes of a model or graph, with shapes and numbers of parameters.

    Parameters
    ----------
    target : Model, Graph, Runner or composite layer

    Raises
    ------
    ConfigError
        If ``target`` has no graph.
    GraphError, ShapeError
        If the graph cannot be compiled.

    Examples
    --------
    >>> import graphnet
    >>> graphnet.summary(graphnet.Sequential(graphnet.FullyConnected(4, 3), shape="batch, feature=4"))
    node             layer           reads  shape               parameters
    ---------------  --------------  -----  ------------------  ----------
    x                input                  (batch, feature=4)
    fully_connected  FullyConnected  x      (batch, feature=3)          15
    ---------------  --------------  -----  ------------------  ----------
    outputs: output = fully_connected
    total: 15 parameters
    """
    graph = graph_of(target, "summary")
    return Summary(graph, tuple(_rows(graph)))


def _rows(graph: Graph) -> Iterator[Row]:
    """Inputs, then nodes in execution order, each followed by those inside it."""
    runner = Runner(graph)
    described = {id(runner.layers[path]): found for path, found in specs(runner).items()}
    shapes = node_shapes(runner)
    for name, declared in graph.inputs.items():
        yield Row(0, name, "input", "", _text(declared.shape))
    yield from _nodes(graph, "", 0, shapes, {}, described)


def _nodes(
    graph: Graph,
    path: str,
    depth: int,
    shapes: Mapping[str, Shape],
    first_use: dict[int, str],
    described: Mapping[int, Specs],
    frozen: bool = False,
) -> Iterator[Row]:
    for name in graph.order:
        node, node_path = graph.nodes[name], f"{path}{name}"
        inputs = ", ".join("-" if ref is None else str(ref) for ref in node.inputs)
        shape = _text(shape_of(graph, Ref(name), path, shapes))
        if name not in graph.needed:
            yield Row(depth, name, _kind(node.layer), inputs, shape, 0, "unused")
            continue
        first = first_use.setdefault(id(node.layer), node_path)
        if first != node_path:
            yield Row(depth, name, _kind(node.layer), inputs, shape, 0, f"as {first}")
            continue
        inner, counted = subgraph(node.layer), set(first_use)
        inside = []
        if inner is not None:
            inside = list(
                _nodes(inner, f"{node_path}/", depth + 1, shapes, first_use, described, frozen or not node.layer.delta)
            )
        count = _count(node.layer, counted, described)
        is_frozen = (frozen or not node.layer.delta) and node.layer.has_weights
        yield Row(depth, name, _kind(node.layer), inputs, shape, count, frozen=is_frozen)
        yield from inside


def _count(layer: Layer, counted: set[int], described: Mapping[int, Specs]) -> int | None:
    """The number of parameters of a layer and the layers inside it, except those counted before.

    Weights that do not exist yet are counted by their description, and not created: a summary allocates nothing.
    """
    inner = subgraph(layer)
    owners = {"": layer} if inner is None else inner.layers()
    total = 0
    for owner in owners.values():
        if owner is not layer and id(owner) in counted:
            continue
        if not owner.params and owner.declares_weights:
            if id(owner) not in described:
                return None
            total += sum(math.prod(spec.shape) for spec in described[id(owner)].weights.values())
        total += sum(parameter.value.size for parameter in owner.params.values())
    return total


def _kind(layer: Layer) -> str:
    name = type(layer).__name__
    return f"{name} (reversed)" if isinstance(layer, Scan) and layer.reverse else name


def _text(shape: Shape | None) -> str:
    return "" if shape is None else str(shape)


__all__ = ["Row", "Summary", "summary"]
