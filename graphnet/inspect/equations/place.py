"""Graphs at their paths: the shapes and the names of their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphnet.core.describe.axes import BATCH as ROWS
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.node import Node, Ref
from graphnet.core.describe.scan import CellGraph
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.runner import Runner
from graphnet.inspect.equations.recording import sizes_of
from graphnet.inspect.equations.terms import INPUT, Term, name
from graphnet.inspect.node_shapes import node_shapes, shape_of

#: The sizes of axes that nothing declares.
BATCH, STEPS = 2, 3


@dataclass
class Place:
    """A graph at a path, with what its inputs are.

    Attributes
    ----------
    graph : Graph
    path : str
        With a slash at the end; empty for the outermost graph.
    inputs : dict of str to Shape or None
    time : str
        't' in a cell, and in graphs inside one.
    repeats : int
        How often the graph runs: the steps of the Scans that it is in.
    """

    graph: Graph
    path: str
    inputs: dict[str, Shape | None]
    shapes: Mapping[str, Shape]
    time: str = ""
    repeats: int = 1

    def shape(self, ref: Ref | None) -> Shape | None:
        """The shape of a value, with numbers for the sizes that are not known."""
        if ref is None:
            return None
        if ref.source in self.graph.inputs:
            found = self.inputs.get(ref.source) or self.graph.inputs[ref.source].shape
        else:
            found = shape_of(self.graph, ref, self.path, self.shapes)
        return None if found is None else sizes_of(found, BATCH, STEPS)

    def value(self, ref: Ref) -> Term:
        """The name of a value."""
        time = self.time
        graph = self.graph
        if isinstance(graph, CellGraph) and ref.source in graph.inputs:
            time = "t-1" if ref.source in graph.states else "t" if ref.source in graph.sequences else ""
        shape = self.shape(ref)
        sizes = () if shape is None else tuple(n or 1 for n in shape.sizes)
        return name(str(ref), sizes, INPUT, **({"time": time} if time else {}))

    def inside(self, node: Node) -> Place | None:
        """The graph inside a node."""
        inner = subgraph(node.layer)
        if inner is None:
            return None
        path = f"{self.path}{node.name}/"
        given = [self.shape(ref) for ref in node.inputs]
        if not isinstance(inner, CellGraph):
            return Place(
                inner, path, dict(zip(inner.inputs, padded(given, inner.inputs), strict=True)), self.shapes, self.time
            )
        names = (*inner.sequences, *inner.states, *inner.contexts)
        inputs = dict(zip(names, padded(given, names), strict=True))
        steps = next((shape.sizes[0] for each in inner.sequences if (shape := inputs[each]) and shape.rank), None)
        for each in inner.sequences:
            whole = inputs[each]
            inputs[each] = None if whole is None or not whole.rank else Shape(whole.names[1:], whole.sizes[1:], False)
            if whole is not None and whole.rank == 2 and whole.names[1] != ROWS:
                inputs[each] = Shape((ROWS, whole.names[1]), (1, whole.sizes[1]), False)
        place = Place(inner, path, inputs, self.shapes, "t", self.repeats * (steps or 1))
        for each in inner.states:
            inputs[each] = place.shape(inner.outputs[each])
        return place


def place_of(graph: Graph, batch: int = BATCH, steps: int = STEPS) -> Place:
    """A graph with its declared inputs, and numbers for the sizes that are not declared."""
    inputs = {
        each: declared if declared.shape is None else replace(declared, shape=sizes_of(declared.shape, batch, steps))
        for each, declared in graph.inputs.items()
    }
    sized = Graph(graph.name, inputs, dict(graph.nodes), dict(graph.outputs))
    return Place(sized, "", {each: found.shape for each, found in inputs.items()}, node_shapes(Runner(sized)))


def padded(given: Sequence[Any], names: Any) -> list[Any]:
    """The inputs that are given, and None for the others."""
    return [*given, *[None] * (len(names) - len(given))]


def places(place: Place) -> Iterator[tuple[str, Place, Node]]:
    """Every node inside a graph: its path, the graph that it is in, and itself."""
    for each in place.graph.order:
        node = place.graph.nodes[each]
        yield f"{place.path}{each}", place, node
        inner = place.inside(node)
        if inner is not None:
            yield from places(inner)
