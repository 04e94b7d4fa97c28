"""Export a graph as a Mermaid flowchart, which many editors and code hosts render."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from graphnet.core.describe.graph import Graph, subgraph
from graphnet.inspect.target import graph_of

if TYPE_CHECKING:
    import networkx as nx


def mermaid(model: Any) -> str:
    """Return the graph of a model as a Mermaid flowchart, nested graphs as boxes.

    The syntax is described at https://mermaid.js.org, flowchart.

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
    lines = _Flowchart().lines(graph_of(model, "mermaid"))
    return "\n".join(["flowchart TD", *(f"  {line}" for line in lines)]) + "\n"


#: The endings of files that it writes; see ``graphnet.models.exporting``.
mermaid.endings = (".mmd", ".mermaid", ".md", ".txt")  # type: ignore[attr-defined]


class _Flowchart:
    """Draws graphs with numbered boxes, as names of nodes may be keywords of Mermaid."""

    def __init__(self) -> None:
        self.count = 0

    def new_box(self) -> str:
        self.count += 1
        return f"n{self.count - 1}"

    def lines(self, graph: Graph) -> Iterator[str]:
        """Yield the boxes and arrows of one graph."""
        digraph = graph.networkx
        boxes: dict[str, str] = {}
        for name, declared in graph.inputs.items():
            boxes[name] = self.new_box()
            yield f'{boxes[name]}(["{name}{"" if declared.shape is None else f" {declared.shape}"}"])'
        for name in graph.order:
            layer, boxes[name] = digraph.nodes[name]["layer"], self.new_box()
            yield from self.box(boxes[name], f"{name}: {type(layer).__name__}", subgraph(layer))
            for source, port in _arguments(digraph, name):
                yield _arrow(boxes[source], port, boxes[name])
        for name, ref in graph.outputs.items():
            box = self.new_box()
            yield f'{box}(["{name}"])'
            yield _arrow(boxes[ref.source], ref.port, box)

    def box(self, box: str, title: str, inner: Graph | None) -> Iterator[str]:
        """Yield one node, with the graph inside it if there is one."""
        if inner is None:
            yield f'{box}["{title}"]'
            return
        yield f'subgraph {box}["{title}"]'
        yield from (f"  {line}" for line in self.lines(inner))
        yield "end"


def _arguments(digraph: nx.DiGraph[str], name: str) -> list[tuple[str, str | None]]:
    """The sources and output ports that a node reads, in the order of its inputs."""
    arguments: dict[int, tuple[str, str | None]] = {}
    for source in digraph.predecessors(name):
        for port, position in digraph.edges[source, name]["arguments"]:
            arguments[position] = (source, port)
    return [arguments[position] for position in sorted(arguments)]


def _arrow(source: str, port: str | None, target: str) -> str:
    label = "" if port is None else f'|"{port}"|'
    return f"{source} -->{label} {target}"
