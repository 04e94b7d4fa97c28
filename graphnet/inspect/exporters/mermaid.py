"""A graph as a Mermaid flowchart, which many editors and code hosts draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.node import Ref

if TYPE_CHECKING:
    from graphnet.models.model import Model


def mermaid(model: Model) -> str:
    """The graph of a model as a Mermaid flowchart, nested graphs as boxes (syntax: https://mermaid.js.org, flowchart).

    Examples
    --------
    >>> from graphnet import Builder, FullyConnected, Model
    >>> g = Builder("scores")
    >>> print(mermaid(Model(g.build(FullyConnected(4, 3)(g.input("x", "batch, feature=4"), name="dense")))))
    flowchart TD
      n0(["x (batch, feature=4)"])
      n1["dense: FullyConnected"]
      n0 --> n1
      n2(["output"])
      n1 --> n2
    """
    return "\n".join(["flowchart TD", *(f"  {line}" for line in _Drawing().lines(model.graph))]) + "\n"


class _Drawing:
    """Gives every box an identifier of its own: names of nodes may be words of Mermaid's."""

    def __init__(self) -> None:
        self.count = 0

    def new(self) -> str:
        self.count += 1
        return f"n{self.count - 1}"

    def lines(self, graph: Graph) -> Iterator[str]:
        """The boxes and arrows of one graph."""
        boxes = {}
        for name, given in graph.inputs.items():
            boxes[name] = self.new()
            yield f'{boxes[name]}(["{name}{"" if given.shape is None else f" {given.shape}"}"])'
        for name in graph.order:
            node, boxes[name] = graph.nodes[name], self.new()
            yield from self.box(boxes[name], f"{name}: {type(node.layer).__name__}", subgraph(node.layer))
            for ref in node.inputs:
                if ref is not None:
                    yield f"{boxes[ref.source]} -->{_label(ref)} {boxes[name]}"
        for name, ref in graph.outputs.items():
            box = self.new()
            yield f'{box}(["{name}"])'
            yield f"{boxes[ref.source]} -->{_label(ref)} {box}"

    def box(self, box: str, title: str, inner: Graph | None) -> Iterator[str]:
        """One node; with its graph inside, where it has one."""
        if inner is None:
            yield f'{box}["{title}"]'
            return
        yield f'subgraph {box}["{title}"]'
        yield from (f"  {line}" for line in self.lines(inner))
        yield "end"


def _label(ref: Ref) -> str:
    return "" if ref.port is None else f'|"{ref.port}"|'
