"""Graphs of layers: frozen data over a networkx DAG, checked when they are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.structure import ancestors
from graphnet.core.errors import GraphError, StateError, unknown
from graphnet.core.phase import Phase

if TYPE_CHECKING:
    import networkx as nx

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Ref(NamedTuple):
    """Where a value comes from: a graph input or a node, and which of its outputs (None: the first)."""

    source: str
    port: str | None = None

    def __str__(self) -> str:
        return self.source if self.port is None else f"{self.source}.{self.port}"

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read ``"node"`` or ``"node.port"``."""
        source, dot, port = text.partition(".")
        return cls(source, port if dot else None)


@dataclass(frozen=True, slots=True)
class Input:
    """One named input of a graph.

    Parameters
    ----------
    shape : Shape, optional
        Axes and the sizes known beforehand; None: any shape (inside cells and nested graphs it follows from outside).
    optional : bool
        May be left out, if all that reads it allows that (the initial state of a Scan starts at zeros then).
    integer : bool
        Holds whole numbers (token ids), which are not converted to the dtype of the run.
    """

    shape: Shape | None = None
    optional: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One use of a layer: a name, the layer, and the values that it reads, in the order of the layer's inputs."""

    name: str
    layer: Layer
    inputs: tuple[Ref | None, ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """Named inputs, named nodes, named outputs; immutable and checked when made.

    Parameters
    ----------
    name : str
    inputs : mapping of name to Input
    nodes : mapping of name to Node
        In any order; ``order`` is a topological one.
    outputs : mapping of name to Ref

    Raises
    ------
    GraphError
        For names that are not identifiers or are used twice, references to nothing, wrong numbers of inputs, cycles
        (with their path) and a graph without an output.

    Examples
    --------
    See :mod:`graphnet.core.describe.builder`, the usual way to make one.
    """

    name: str
    inputs: Mapping[str, Input]
    nodes: Mapping[str, Node]
    outputs: Mapping[str, Ref]
    order: tuple[str, ...] = field(init=False)

    #: What ``explain`` calls. Inspection is a later stage, which this one does not import, so it registers itself.
    explainer: ClassVar[Callable[..., Any] | None] = None

    def __post_init__(self) -> None:
        place = f"graph {self.name!r}"
        for name in (*self.inputs, *self.nodes, *self.outputs):
            if not isinstance(name, str) or not NAME.match(name):
                raise GraphError(
                    "not a name",
                    where=place,
                    expected="letters, digits and _, not a digit first",
                    received=repr(name),
                    key_path=self._key_path(name),
                )
        for name, given in self.inputs.items():
            if given.shape is not None:
                given.shape.check_distinct(f"{place}, input {name!r}")
        for name in self.inputs.keys() & self.nodes.keys():
            raise GraphError(
                "name used for an input and for a node", where=place, received=repr(name), key_path=("nodes", name)
            )
        if not self.outputs:
            raise GraphError("the graph has no output", where=place, expected="at least one named output")
        nodes = {
            name: self._checked(node, f"{place}, node {node.name!r}", ("nodes", name))
            for name, node in self.nodes.items()
        }
        object.__setattr__(self, "nodes", nodes)
        outputs = {
            name: self._resolved(ref, f"{place}, output {name!r}", ("outputs", name))
            for name, ref in self.outputs.items()
        }
        object.__setattr__(self, "outputs", outputs)
        object.__setattr__(self, "order", self._sorted(place))

    def _key_path(self, name: str) -> tuple[str, str]:
        """Where a name is in the description of this graph."""
        return ("inputs" if name in self.inputs else "nodes" if name in self.nodes else "outputs"), name

    def _checked(self, node: Node, place: str, key_path: tuple[str, ...]) -> Node:
        """The node, after checking that its inputs exist and are as many as its layer takes."""
        ports = node.layer.input_ports()
        if not ports.accepts(len(node.inputs)):
            raise GraphError(
                f"wrong number of inputs for {type(node.layer).__name__}",
                where=place,
                expected=str(ports),
                received=", ".join(map(str, node.inputs)) or "none",
                key_path=key_path,
            )
        for i, ref in enumerate(node.inputs):
            if ref is None and (i >= len(ports.names) or ports.names[i] not in ports.optional):
                missing = ports.names[min(i, len(ports.names) - 1)]
                raise GraphError(
                    "an input is missing", where=place, expected=missing, received="nothing", key_path=key_path
                )
        refs = tuple(None if ref is None else self._resolved(ref, place, key_path) for ref in node.inputs)
        return replace(node, inputs=refs)

    def _resolved(self, ref: Ref, place: str, key_path: tuple[str, ...]) -> Ref:
        """``ref`` itself, after checking that it names something; its port dropped when it is the first one."""
        if ref.source in self.nodes:
            ports = self.nodes[ref.source].layer.output_ports()
            if ref.port is not None and ref.port not in ports:
                raise unknown(
                    "output",
                    ref.port,
                    ports,
                    where=place,
                    problem=f"node {ref.source!r} has no output {ref.port!r}",
                    key_path=key_path,
                    error=GraphError,
                )
            return Ref(ref.source) if ref.port == ports[0] else ref
        if ref.source not in self.inputs or ref.port is not None:
            raise unknown(
                "node",
                ref.source,
                [*self.inputs, *self.nodes],
                where=place,
                problem=f"reads {str(ref)!r}, which does not exist",
                key_path=key_path,
                error=GraphError,
            )
        return ref

    def _sorted(self, place: str) -> tuple[str, ...]:
        """Node names so that each comes after what it reads; ties in the order of definition."""
        waiting = {n: {r.source for r in node.inputs if r and r.source in self.nodes} for n, node in self.nodes.items()}
        readers: dict[str, list[str]] = {n: [] for n in self.nodes}
        for name, sources in waiting.items():
            for source in sources:
                readers[source].append(name)
        ready = [n for n, sources in waiting.items() if not sources]
        order: list[str] = []
        for name in ready:
            order.append(name)
            for reader in readers[name]:
                waiting[reader].discard(name)
                if not waiting[reader]:
                    ready.append(reader)
        if len(order) < len(self.nodes):
            raise GraphError(f"has a cycle: {' -> '.join(self._cycle())}", where=place)
        return tuple(order)

    def _cycle(self) -> list[str]:
        import networkx as nx

        edges = nx.find_cycle(self.networkx)
        return [edge[0] for edge in edges] + [edges[0][0]]

    @cached_property
    def seen(self) -> dict[str, Shape]:
        """The shapes of the inputs in the last run; not a part of what the graph is."""
        return {}

    @cached_property
    def networkx(self) -> nx.DiGraph[str]:
        """The graph as a frozen ``networkx.DiGraph``.

        Vertices are input and node names, with ``kind`` ('input' or 'node') and ``layer`` or ``input``; an edge's
        ``arguments`` lists every ``(output port, position among the reader's inputs)`` that it stands for, because one
        edge can carry a value twice (``multiply(x, x)``).
        """
        import networkx as nx

        drawn: nx.DiGraph[str] = nx.DiGraph(name=self.name, outputs=dict(self.outputs))
        for name, given in self.inputs.items():
            drawn.add_node(name, kind="input", input=given)
        for name, node in self.nodes.items():
            drawn.add_node(name, kind="node", layer=node.layer)
        for name, node in self.nodes.items():
            for position, ref in enumerate(node.inputs):
                if ref is None:
                    continue
                if not drawn.has_edge(ref.source, name):
                    drawn.add_edge(ref.source, name, arguments=[])
                drawn.edges[ref.source, name]["arguments"].append((ref.port, position))
        nx.freeze(drawn)
        return drawn

    # ------------------------------------------------------------------ comparing and walking
    def __eq__(self, other: object) -> bool:
        """Same structure, names, configurations and sharing of layers; weights do not count."""
        return isinstance(other, Graph) and self.signature() == other.signature()

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.inputs), tuple(self.nodes), tuple(self.outputs)))

    def signature(self) -> tuple[Any, ...]:
        """Everything that makes two graphs equal, as nested tuples."""
        first: dict[int, str] = {}
        shared = []
        for path, layer in self.walk():
            if first.setdefault(id(layer), path) != path:
                shared.append((path, first[id(layer)]))
        nodes = tuple(
            (n.name, type(n.layer), tuple((k, _comparable(v)) for k, v in n.layer.config().items()), n.inputs)
            for n in self.nodes.values()
        )
        return self.name, tuple(self.inputs.items()), nodes, tuple(self.outputs.items()), tuple(shared)

    @cached_property
    def needed(self) -> frozenset[str]:
        """The nodes that an output depends on; the others are never run."""
        return ancestors(self.nodes, [ref.source for ref in self.outputs.values()])

    def walk(self, path: str = "", *, needed: bool = False) -> Iterator[tuple[str, Layer]]:
        """Every use of a layer, nested graphs included, as ``(path, layer)`` in order, outer before inner.

        With ``needed`` only nodes that an output of their graph depends on.
        """
        for name in self.order:
            if needed and name not in self.needed:
                continue
            layer = self.nodes[name].layer
            here = f"{path}{name}"
            yield here, layer
            inner = subgraph(layer)
            if inner is not None:
                yield from inner.walk(f"{here}/", needed=needed)

    def layers(self) -> dict[str, Layer]:
        """The primitive layers, each once, by the path of its first use: who owns weights.

        A layer that stands only where no output depends on it is not among them: it is never run, initialized or saved.
        """
        found: dict[int, tuple[str, Layer]] = {}
        for path, layer in self.walk(needed=True):
            if subgraph(layer) is None:
                found.setdefault(id(layer), (path, layer))
        return dict(found.values())

    def explain(
        self,
        *,
        batch: int = 32,
        steps: int = 50,
        dtype: str = "float32",
        phase: Phase = Phase.train,
        passes: Iterable[str] | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
    ) -> Any:
        """Return a :class:`graphnet.inspect.explain.Explanation`: how the graph compiles, pass by pass; ``print`` it.

        Parameters
        ----------
        batch, steps : int
            Sizes for what the inputs leave open.
        dtype : {'float32', 'float64'}
        phase : Phase
        passes : iterable of str, optional
            As for :class:`graphnet.Runner`.
        shapes : mapping of input name to sizes, optional
            Of single inputs. Sizes that are neither given nor declared, other than time and batch, are those of the
            last run of this graph.

        Raises
        ------
        ShapeError
            If a size is not known, or shapes do not fit.
        UnknownNameError
            If there is no such pass or input.
        """
        if Graph.explainer is None:
            raise StateError(
                "no explainer is registered", where="Graph.explain", expected="import graphnet", received="core alone"
            )
        return Graph.explainer(self, batch=batch, steps=steps, dtype=dtype, phase=phase, passes=passes, shapes=shapes)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}: {', '.join(self.inputs)} -> {len(self.nodes)} nodes -> {', '.join(self.outputs)})"


def subgraph(layer: Layer) -> Graph | None:
    """The graph inside a composite layer (``graph``) or a Scan (``cell``); None for a primitive layer."""
    inner = layer.subgraph
    return inner if isinstance(inner, Graph) else None


def _comparable(value: Any) -> Any:
    """A configuration value with graphs replaced by their signatures."""
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    return value.signature() if isinstance(value, Graph) else value
