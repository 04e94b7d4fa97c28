"""Layers that are graphs of layers."""

from __future__ import annotations

from contextlib import suppress

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.rules import missing_rule
from graphnet.core.describe.signatures import Ports
from graphnet.core.errors import RuleError, ShapeError


def graph_ports(graph: Graph) -> Ports:
    """The inputs of a graph as the ports of the node that it is."""
    return Ports(tuple(graph.inputs), frozenset(n for n, given in graph.inputs.items() if given.optional))


class Composite(Layer):
    """A layer that is a graph: an author writes ``build``, and no gradient anywhere.

    Examples
    --------
    >>> from graphnet import Builder, Composite, FullyConnected
    >>> class Twice(Composite):
    ...     '''The same dense layer, applied two times.'''
    ...     size: int
    ...     def build(self):
    ...         g = Builder("twice")
    ...         dense = FullyConnected(self.size, self.size)
    ...         return g.build(dense(dense(g.input("x"), name="first"), name="second"))
    >>> Twice(3).graph
    Graph('twice': x -> 2 nodes -> output)
    """

    def build(self) -> Graph:
        """The graph of this layer; called once, when the layer is made."""
        raise missing_rule(self, "build(self)", "It returns a Graph.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._graph = self.build()
        if not isinstance(self._graph, Graph):
            raise RuleError(
                "build returned no graph", where=type(self).__name__, expected="a Graph", received=repr(self._graph)
            )
        self._draw_inner_weights()

    def _draw_inner_weights(self) -> None:
        """Fresh weights as far as the declared shapes tell their sizes."""
        runner = self._running(0)
        with suppress(ShapeError):  # sizes that are not known yet come from the first input
            runner.materialize()

    @property
    def graph(self) -> Graph:
        """The graph that this layer is: nested, named, drawable."""
        return self._graph

    @property
    def subgraph(self) -> Graph:
        """The same as ``graph``; what walks nested graphs asks for."""
        return self._graph

    def input_ports(self) -> Ports:
        return graph_ports(self._graph)

    def output_ports(self) -> tuple[str, ...]:
        return tuple(self._graph.outputs)


class Subgraph(Composite):
    """A nested graph as a node.

    Parameters
    ----------
    inner : Graph
    """

    inner: Graph

    def build(self) -> Graph:
        return self.inner
