"""A table of a graph: its nodes with shapes and numbers of parameters, subgraphs indented."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile import Shapes, infer
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Ref
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.core.run.runner import Runner
from graphnet.inspect.target import graph_of


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    depth : int
        How deep the node is nested.
    name, kind : str
        Of the node, and of its layer.
    inputs : str
        What it reads.
    shape : str
        Of its first output; a free axis has no size.
    parameters : int or None
        Numbers that are trained, inside too; 0 where they were counted before; None where sizes are not known.
    note : str
        Where the same layer stood before, for shared weights.
    """

    depth: int
    name: str
    kind: str
    inputs: str = ""
    shape: str = ""
    parameters: int | None = 0
    note: str = ""


@dataclass(frozen=True, repr=False)
class Summary:
    """The nodes of a graph as a table; ``print`` it, or read ``rows``.

    Attributes
    ----------
    graph : Graph
    rows : tuple of Row
    """

    graph: Graph
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return table(self.graph, self.rows)


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
    return Summary(graph, tuple(rows(graph)))


def rows(graph: Graph) -> list[Row]:
    """The lines of the table: inputs, then nodes in the order in which they run, each followed by what is inside.

    Raises
    ------
    GraphError, ShapeError
        If the graph cannot be compiled.
    """
    runner = Runner(graph)
    # Draws that do not count: looking at a model must not change what is drawn next.
    with random.using(np.random.default_rng(0)), contextlib.suppress(ShapeError):
        runner.materialize()
    shapes: dict[str, Shape] = {}
    with contextlib.suppress(ShapeError):
        shapes = _places(runner.plan, infer(runner.plan, runner.layers, runner.plan.declared))
    heads = [Row(0, name, "input", "", _told(given.shape)) for name, given in graph.inputs.items()]
    return heads + list(_nodes(graph, "", 0, shapes, {}))


def table(graph: Graph, lines_of_table: Sequence[Row] | None = None) -> str:
    """Return the table as text; its lines are ``rows(graph)`` by default.

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected
    >>> g = Builder("scores")
    >>> print(table(g.build(scores=FullyConnected(4, 3)(g.input("x", "batch, feature=4"), name="dense"))))
    node   layer           reads  shape               parameters
    -----  --------------  -----  ------------------  ----------
    x      input                  (batch, feature=4)
    dense  FullyConnected  x      (batch, feature=3)          15
    -----  --------------  -----  ------------------  ----------
    outputs: scores = dense
    total: 15 parameters
    """
    found = rows(graph) if lines_of_table is None else lines_of_table
    lines = [("node", "layer", "reads", "shape", "parameters"), *(_cells(row) for row in found)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [_line(line, widths) for line in lines]
    rule = "  ".join("-" * width for width in widths)
    outputs = ", ".join(f"{name} = {ref}" for name, ref in graph.outputs.items())
    top = [row.parameters for row in found if row.depth == 0]
    known = sum(count or 0 for count in top)
    more = " and more, once the sizes of the inputs are known" if None in top else ""
    return "\n".join([text[0], rule, *text[1:], rule, f"outputs: {outputs}", f"total: {known:,} parameters{more}"])


def _cells(row: Row) -> tuple[str, ...]:
    count = "?" if row.parameters is None else f"{row.parameters:,}" if row.parameters else ""
    return "  " * row.depth + row.name, row.kind, row.inputs, row.shape, row.note or count


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    *left, last = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return "  ".join([*left, f"{last.strip():>{widths[-1]}}"]).rstrip()


def _nodes(graph: Graph, path: str, depth: int, shapes: Mapping[str, Shape], seen: dict[int, str]) -> Iterator[Row]:
    for name in graph.order:
        node, here = graph.nodes[name], f"{path}{name}"
        inputs = ", ".join("-" if ref is None else str(ref) for ref in node.inputs)
        shape = _told(_shape(graph, Ref(name), path, shapes))
        if name not in graph.needed:
            yield Row(depth, name, _kind(node.layer), inputs, shape, 0, "unused")
            continue
        first = seen.setdefault(id(node.layer), here)
        if first != here:
            yield Row(depth, name, _kind(node.layer), inputs, shape, 0, f"as {first}")
            continue
        inner = subgraph(node.layer)
        before = set(seen)
        inside = list(_nodes(inner, f"{here}/", depth + 1, shapes, seen)) if inner is not None else []
        yield Row(depth, name, _kind(node.layer), inputs, shape, _count(node.layer, before))
        yield from inside


def _count(layer: Layer, counted: set[int]) -> int | None:
    """The numbers in the weights of a layer and what is inside it, without layers that were counted before."""
    inner = subgraph(layer)
    owners = {"": layer} if inner is None else inner.layers()
    total = 0
    for owner in owners.values():
        if owner is not layer and id(owner) in counted:
            continue
        if not owner.params and type(owner).parameters is not Layer.parameters and not _bare(owner):
            return None
        total += sum(parameter.value.size for parameter in owner.params.values())
    return total


def _bare(layer: Layer) -> bool:
    """Whether a layer that could have weights says that it has none."""
    with contextlib.suppress(ShapeError):
        return not layer.parameters()
    return False


def _kind(layer: Layer) -> str:
    name = type(layer).__name__
    return f"{name} (reversed)" if isinstance(layer, Scan) and layer.reverse else name


def _told(shape: Shape | None) -> str:
    return "" if shape is None else str(shape)


def _shape(graph: Graph, ref: Ref, path: str, shapes: Mapping[str, Shape]) -> Shape | None:
    """The shape of a value; that of a nested graph's output is known by the node inside that makes it."""
    node = graph.nodes.get(ref.source)
    inner = None if node is None or isinstance(node.layer, Scan) else subgraph(node.layer)
    if node is None or inner is None:
        return shapes.get(f"{path}{ref}")
    port = ref.port or node.layer.output_ports()[0]
    target = inner.outputs[port]
    if target.source in inner.inputs:
        outer = dict(zip(inner.inputs, node.inputs, strict=False)).get(target.source)
        return None if outer is None else _shape(graph, outer, path, shapes)
    return _shape(inner, target, f"{path}{ref.source}/", shapes)


def _places(plan: Plan, found: Shapes) -> dict[str, Shape]:
    """Every shape that inference found, by the path of its node (and port), those inside cells too."""
    named = {place: shape for place, shape in zip(plan.slot_paths, found.slots, strict=True) if shape is not None}
    for step in plan.steps:
        if isinstance(step, Loop):
            named |= _places(step.cell, found.cells[step.path])
    return named
