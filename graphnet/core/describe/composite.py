"""Layers that are graphs of layers."""

from __future__ import annotations

from contextlib import suppress

from graphnet.core.describe import weights
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.rules import missing_rule
from graphnet.core.describe.signatures import Ports
from graphnet.core.errors import RuleError, ShapeError


def graph_ports(graph: Graph) -> Ports:
    """The input ports of a node that is a graph."""
    return Ports(tuple(graph.inputs), frozenset(name for name, declared in graph.inputs.items() if declared.optional))


class Composite(Layer):
    """A layer that is a graph: its author writes ``build`` and no gradient.

    Examples
    --------
    >>> from graphnet import Builder, Composite, FullyConnected
    >>> class Twice(Composite):
    ...     '''The same dense layer, applied twice.'''
    ...     size: int
    ...     def build(self):
    ...         g = Builder("twice")
    ...         dense = FullyConnected(self.size, self.size)
    ...         return g.build(dense(dense(g.input("x"), name="first"), name="second"))
    >>> Twice(3).graph
    Graph('twice': x -> 2 nodes -> output)
    """

    def build(self) -> Graph:
        """Return the graph of this layer; called once, by the constructor."""
        raise missing_rule(self, "build(self)", "It returns a Graph.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._graph = self.build()
        if not isinstance(self._graph, Graph):
            raise RuleError(
                "build returned an invalid value",
                where=type(self).__name__,
                expected="a Graph",
                received=repr(self._graph),
            )
        self._draw_inner_weights()

    def _draw_inner_weights(self) -> None:
        """Create the weights whose sizes are known from the declared shapes."""
        runner = self._running(0)  # also checks that the shapes fit
        if weights.are_deferred():
            return
        with suppress(ShapeError):  # other sizes are known after the first input
            runner.materialize()

    @property
    def graph(self) -> Graph:
        """The graph of this layer."""
        return self._graph

    @property
    def subgraph(self) -> Graph:
        """The same as ``graph``, under the name that Scan has as well."""
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
