"""The networkx DAG of a graph, and its order, ancestors and generations.

networkx is imported by these functions, so with the first graph: importing graphnet does not need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from graphnet.core.describe.node import Node

if TYPE_CHECKING:
    import networkx as nx

#: An edge with its attributes.
Edge = tuple[str, str, dict[str, tuple[tuple[str | None, int], ...]]]


class CycleError(Exception):
    """The nodes of a graph depend on each other; ``path`` starts and ends at the same node."""

    def __init__(self, path: list[str]) -> None:
        super().__init__(" -> ".join(path))
        self.path = path


def build(inputs: Iterable[str], nodes: Mapping[str, Node]) -> tuple[nx.DiGraph[str], tuple[str, ...]]:
    """Return the frozen DAG of inputs and nodes, and the topological order of the nodes.

    The attribute ``arguments`` of an edge is a tuple of all ``(output port, position among the reader's inputs)`` that
    the edge stands for. Nodes that do not depend on each other are in the order of definition, by generations; inputs
    do not count for that, so their edges are added after sorting.

    Raises
    ------
    CycleError
    """
    import networkx as nx

    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(inputs)
    sources = set(dag)
    dag.add_nodes_from(nodes)
    from_inputs: list[Edge] = []
    from_nodes: list[Edge] = []
    for edge in edges(nodes):
        (from_inputs if edge[0] in sources else from_nodes).append(edge)
    dag.add_edges_from(from_nodes)
    try:
        order = tuple(name for name in nx.topological_sort(dag) if name not in sources)
    except nx.NetworkXUnfeasible:
        cycle = [source for source, *_ in nx.find_cycle(dag)]
        raise CycleError([*cycle, cycle[0]]) from None
    dag.add_edges_from(from_inputs)
    return nx.freeze(dag), order


def edges(nodes: Mapping[str, Node]) -> Iterator[Edge]:
    """Yield one edge for each pair of a reader and what it reads, with its arguments."""
    for name, node in nodes.items():
        arguments: dict[str, tuple[tuple[str | None, int], ...]] = {}
        for position, ref in enumerate(node.inputs):
            if ref is not None:
                arguments[ref.source] = (*arguments.get(ref.source, ()), (ref.port, position))
        for source, pairs in arguments.items():
            yield source, name, {"arguments": pairs}


def ancestors(dag: nx.DiGraph[str], names: Iterable[str]) -> set[str]:
    """Return ``names`` and everything that they depend on, inputs included."""
    import networkx as nx

    return set().union(*nx.bfs_layers(dag.reverse(copy=False), list(names)))


def required(nodes: Mapping[str, Node], names: Iterable[str]) -> set[str]:
    """Return ``names`` and everything that they depend on, for nodes that are not a graph yet."""
    import networkx as nx

    names = list(names)
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(names)
    dag.add_edges_from(edges(nodes))
    return ancestors(dag, names)


def descendants(dag: nx.DiGraph[str], names: Iterable[str]) -> set[str]:
    """Return ``names`` and everything that depends on them."""
    import networkx as nx

    return set().union(*nx.bfs_layers(dag, list(names)))


def generations(dag: nx.DiGraph[str]) -> list[list[str]]:
    """Return the vertices by depth: the length of the longest path from an input or a node without inputs."""
    import networkx as nx

    return list(nx.topological_generations(dag))
