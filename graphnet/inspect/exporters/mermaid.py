"""Export a graph as a Mermaid flowchart, which many editors and code hosts render."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from graphnet.core.checks import integer
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.inspect.target import graph_of

if TYPE_CHECKING:
    import networkx as nx


def mermaid(model: Any, *, depth: int | None = None) -> str:
    """Return the graph of a model as a Mermaid flowchart, nested graphs as boxes.

    The syntax is described at https://mermaid.js.org, flowchart.

    Parameters
    ----------
    model : Model, Graph, Runner or composite layer
    depth : int, optional
        How far composites and Scans are opened: 0 shows the nodes of the graph itself. None: down to each gate.

    Raises
    ------
    ConfigError
        If ``model`` has no graph, or ``depth`` is not a whole number from 0.

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
    depth = integer("mermaid", "depth", depth, 0, optional=True)
    lines = _Flowchart().lines(graph_of(model, "mermaid"), depth)
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

    def lines(self, graph: Graph, depth: int | None) -> Iterator[str]:
        """Yield the boxes and arrows of one graph, with those inside its nodes down to a depth."""
        digraph = graph.networkx
        boxes: dict[str, str] = {}
        for name, declared in graph.inputs.items():
            boxes[name] = self.new_box()
            yield f'{boxes[name]}(["{name}{"" if declared.shape is None else f" {declared.shape}"}"])'
        for name in graph.order:
            layer, boxes[name] = digraph.nodes[name]["layer"], self.new_box()
            inner = None if depth == 0 else subgraph(layer)
            yield from self.box(boxes[name], f"{name}: {type(layer).__name__}", inner, depth)
            for source, port in _arguments(digraph, name):
                yield _arrow(boxes[source], port, boxes[name])
        for name, ref in graph.outputs.items():
            box = self.new_box()
            yield f'{box}(["{name}"])'
            yield _arrow(boxes[ref.source], ref.port, box)

    def box(self, box: str, title: str, inner: Graph | None, depth: int | None) -> Iterator[str]:
        """Yield one node, with the graph inside it if there is one."""
        if inner is None:
            yield f'{box}["{title}"]'
            return
        yield f'subgraph {box}["{title}"]'
        yield from (f"  {line}" for line in self.lines(inner, None if depth is None else depth - 1))
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
