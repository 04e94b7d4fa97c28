"""``graphnet.multiply_adds``: the work of every node, counted from its rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.checks import integer
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer, rules_key
from graphnet.core.describe.node import Node
from graphnet.core.describe.scan import CellGraph
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphnetError
from graphnet.core.phase import Phase
from graphnet.inspect.costs import aligned
from graphnet.inspect.equations.counts import Work, backward, forward
from graphnet.inspect.equations.place import Place, padded, place_of
from graphnet.inspect.equations.recording import Rule, record
from graphnet.inspect.target import graph_of


@dataclass(frozen=True)
class Count:
    """The work of one node for a batch: in all the steps of the Scans that it is in.

    Attributes
    ----------
    path, layer : str
    forward, backward : int
        Multiply-adds: the products ``a · b`` that are added up in products of matrices, vectors and windows. Backward
        are those of the gradients of the weights, and of the error for the inputs if anything before the node is
        trained.
    elementwise_forward, elementwise_backward : int
        All other operations on numbers: additions, functions, comparisons, sums.
    calls : int
        How often the rule is called: the steps.
    reason : str
        Why nothing is known, or nothing about backward; then these are 0.
    """

    path: str
    layer: str
    forward: int = 0
    backward: int = 0
    elementwise_forward: int = 0
    elementwise_backward: int = 0
    calls: int = 1
    reason: str = ""


@dataclass(frozen=True)
class Counts:
    """The work of the nodes of a graph, in the order in which they run; ``print`` it for a table.

    Attributes
    ----------
    setting : str
    counts : tuple of Count
    """

    setting: str
    counts: tuple[Count, ...]

    def below(self, path: str = "") -> Count:
        """The sum of a node and the nodes inside it; of all nodes by default."""
        inside = [c for c in self.counts if not path or c.path == path or c.path.startswith(f"{path}/")]
        unknown = sorted({c.path for c in inside if c.reason})
        return Count(
            path or "all",
            "",
            sum(c.forward for c in inside),
            sum(c.backward for c in inside),
            sum(c.elementwise_forward for c in inside),
            sum(c.elementwise_backward for c in inside),
            max((c.calls for c in inside), default=0),
            f"without {', '.join(unknown)}" if unknown else "",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        heads = ("node", "layer", "calls", "forward", "backward", "elementwise forward", "elementwise backward")
        whole = self.below()
        lines = [heads, *map(_cells, self.counts), (*_cells(whole)[:2], "", *_cells(whole)[3:])]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [aligned(line, widths) for line in lines]
        notes = [f"{c.path}: {c.reason}" for c in self.counts if c.reason]
        rule = aligned(tuple("-" * width for width in widths), widths)
        return "\n".join([f"multiply-adds, {self.setting}", "", table[0], rule, *table[1:], *notes])


def _cells(count: Count) -> tuple[str, ...]:
    numbers = (count.forward, count.backward, count.elementwise_forward, count.elementwise_backward)
    return count.path, count.layer, f"{count.calls}", *(f"{each:,}" for each in numbers)


@explained
def multiply_adds(target: Any, *, batch: int = 1, steps: int = 1) -> Counts:
    """Count the multiply-adds of every node of a model or graph, in the train phase.

    They are counted in what the rule of each node does with arrays of these sizes: a product of matrices ``(m, k)`` and
    ``(k, n)`` has m · k · n. Other operations are counted as elementwise operations, one for each number that is
    computed, or added up. A compiled graph may do fewer, because it shares products and computes what does not change
    over time once; see :func:`graphnet.explain`.

    Parameters
    ----------
    target : Model, Graph, Runner or composite layer
    batch, steps : int
        Sizes of axes that are not declared: by default, the work for one row and one step.

    Raises
    ------
    ConfigError
        If ``target`` has no graph, or a size is out of range.
    GraphError, ShapeError
        If the graph cannot be compiled.

    Examples
    --------
    >>> import graphnet
    >>> model = graphnet.Sequential(graphnet.FullyConnected(4, 3), shape="batch, feature=4")
    >>> graphnet.multiply_adds(model, batch=10).below().forward
    120
    """
    graph = graph_of(target, "multiply_adds")
    sizes = integer("multiply_adds", "batch", batch, 1), integer("multiply_adds", "steps", steps, 1)
    place = place_of(graph, *sizes)
    found = tuple(_Counter().counts(place, dict.fromkeys(graph.inputs, False)))
    return Counts(f"batch {batch}, {steps} step{'' if steps == 1 else 's'}", found)


class _Counter:
    def __init__(self) -> None:
        self.known: dict[Any, Rule | str] = {}
        self.needs: dict[str, bool] = {}

    def counts(self, place: Place, needs: Mapping[str, bool]) -> Iterator[Count]:
        """The counts of a graph; ``needs`` says for which inputs an error is wanted.

        Afterwards, ``self.needs`` says for which nodes of the graph one is.
        """
        wanted = dict(needs)
        for each in place.graph.order:
            if each not in place.graph.needed:
                continue
            node = place.graph.nodes[each]
            read = any(wanted[ref.source] for ref in node.inputs if ref is not None)
            inner = place.inside(node)
            if inner is None:
                yield self._count(place, node, read)
            else:
                yield from self.counts(inner, self._inner_needs(inner.graph, node, wanted))
            wanted[each] = read or node.layer.has_weights

    @staticmethod
    def _inner_needs(inner: Graph, node: Node, wanted: Mapping[str, bool]) -> dict[str, bool]:
        """For which inputs of a nested graph an error is wanted: for states also if the cell has weights."""
        given = [ref is not None and wanted[ref.source] for ref in node.inputs]
        if not isinstance(inner, CellGraph):
            return {key: bool(each) for key, each in zip(inner.inputs, padded(given, inner.inputs), strict=True)}
        names = (*inner.sequences, *inner.states, *inner.contexts)
        needs = {key: bool(each) for key, each in zip(names, padded(given, names), strict=True)}
        trained = any(needs.values()) or node.layer.has_weights
        return {key: each or (trained and key in inner.states) for key, each in needs.items()}

    def _count(self, place: Place, node: Node, wanted: bool) -> Count:
        path, kind, calls = f"{place.path}{node.name}", type(node.layer).__name__, place.repeats
        rule = self._rule(node.layer, [place.shape(ref) for ref in node.inputs])
        if isinstance(rule, str):
            return Count(path, kind, calls=calls, reason=rule)
        ahead = forward(rule).times(calls)
        back = Work() if rule.reason else backward(rule, gradients=bool(node.layer.delta), errors=wanted).times(calls)
        works = ahead.multiply_adds, back.multiply_adds, ahead.elementwise, back.elementwise
        return Count(path, kind, *works, calls, f"backward: {rule.reason}" if rule.reason else "")

    def _rule(self, layer: Layer, shapes: list[Shape | None]) -> Rule | str:
        own = rules_key(layer)
        key = None if own is None else (own, tuple(shapes))
        if key is not None and key in self.known:
            return self.known[key]
        found: Rule | str
        try:
            if any(shape is not None and not shape.known for shape in shapes):
                raise Untraceable("its sizes are not known")
            found = record(layer, shapes, Phase.train, backward=True)
        except (Untraceable, GraphnetError) as reason:
            found = str(reason)
        if key is not None:
            self.known[key] = found
        return found


__all__ = ["Count", "Counts", "multiply_adds"]
