"""Graphs of layers: frozen data over a networkx DAG, checked by the constructor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from graphnet.core import late
from graphnet.core.arguments import explain_arguments, explain_methods
from graphnet.core.attributes import ExplainedAttributes, explain_frozen
from graphnet.core.describe import dag, extract
from graphnet.core.describe.graph_checks import GraphChecks
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Node, Ref
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphError, StateError, unknown
from graphnet.core.phase import Phase

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False)
class Graph(ExplainedAttributes):
    """Named inputs, named nodes, named outputs; immutable and checked.

    Parameters
    ----------
    name : str
    inputs : mapping of name to Input
    nodes : mapping of name to Node
        In any order; ``order`` is a topological one. Their layers may hold graphs, up to 128 inside each other;
        ``depth`` is their number.
    outputs : mapping of name to Ref

    Raises
    ------
    GraphError
        For names that are not identifiers or are used twice, references to values that do not exist, wrong numbers of
        inputs, cycles (with their path), a graph without output, and graphs nested more than 128 deep.

    Examples
    --------
    See :mod:`graphnet.core.describe.builder`, the usual way to make one.
    """

    name: str
    inputs: Mapping[str, Input]
    nodes: Mapping[str, Node]
    outputs: Mapping[str, Ref]
    order: tuple[str, ...] = field(init=False)
    depth: int = field(init=False)

    #: Implements ``explain``; registered by the package of inspection, which core does not import.
    explainer: ClassVar[Callable[..., Any] | None] = None

    elsewhere: ClassVar[Mapping[str, str]] = {
        "add": "List all layers: Sequential(a, b, ...); a graph never changes.",
        "evaluate": "Make a model: Model(graph).",
        "fit": "Make a model: Model(graph).",
        "forward": "Make a runner, Runner(graph), or a model, Model(graph).",
        "predict": "Make a model: Model(graph).",
        "summary": "Call graphnet.summary(graph).",
    }

    def __post_init__(self) -> None:
        where = f"graph {self.name!r}"
        checks = GraphChecks(where, self.inputs, self.nodes, self.outputs)
        checks.check_names()
        checks.check_axes()
        object.__setattr__(self, "depth", checks.checked_depth([_depth(n.layer) for n in self.nodes.values()]))
        object.__setattr__(self, "nodes", checks.checked_nodes())
        object.__setattr__(self, "outputs", checks.checked_outputs())
        try:
            digraph, order = dag.build(self.inputs, self.nodes)
        except dag.CycleError as cycle:
            raise GraphError(f"has a cycle: {cycle}", where=where) from None
        object.__setattr__(self, "order", order)
        self.__dict__["_dag"] = digraph

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """For copies and pickles: the layers that hold graphs come first, the innermost first of all.

        Each then finds what is inside it already copied, so that the depth of the recursion does not depend on that of
        the graph.
        """
        inner = [layer for _, layer in self.walk() if subgraph(layer) is not None]
        return _empty, (type(self), inner[::-1]), self.__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: the DAG is built again when it is needed."""
        return {name: value for name, value in vars(self).items() if name not in ("_dag", "needed", "seen")}

    @cached_property
    def _dag(self) -> nx.DiGraph[str]:
        digraph, _ = dag.build(self.inputs, self.nodes)
        return digraph

    @cached_property
    def seen(self) -> dict[str, Shape]:
        """The shapes of the inputs in the last run; not part of the graph."""
        return {}

    # ------------------------------------------------------------------ questions of structure
    @property
    def networkx(self) -> nx.DiGraph[str]:
        """A frozen copy of the graph as a ``networkx.DiGraph``; keep it to ask several questions.

        Vertices are input and node names, with the attributes ``kind`` ('input' or 'node') and ``input`` or ``layer``.
        An edge's ``arguments`` lists every ``(output port, position among the reader's inputs)`` that it stands for,
        because an edge can carry a value twice (``multiply(x, x)``); the port is None for the first output. Nothing
        that is done to the copy changes the Graph.

        Examples
        --------
        How many nodes does a value go through at most, and which nodes read the input twice?

        >>> import networkx as nx
        >>> from graphnet import Builder, dense
        >>> g = Builder("residual")
        >>> x = g.input("x", "batch, feature=4")
        >>> graph = g.build(dense(dense(x, 8, name="wide"), 4, name="narrow") + x * x)
        >>> digraph = graph.networkx
        >>> nx.dag_longest_path(digraph)
        ['x', 'wide', 'narrow', 'add']
        >>> [reader for _, reader, arguments in digraph.out_edges("x", data="arguments") if len(arguments) > 1]
        ['multiply']
        """
        import networkx as nx

        copy: nx.DiGraph[str] = nx.DiGraph(name=self.name, outputs=dict(self.outputs))
        copy.add_nodes_from((name, {"kind": "input", "input": declared}) for name, declared in self.inputs.items())
        copy.add_nodes_from((name, {"kind": "node", "layer": node.layer}) for name, node in self.nodes.items())
        copy.add_edges_from(self._dag.edges(data=True))
        nx.freeze(copy)
        return copy

    @property
    def generations(self) -> tuple[tuple[str, ...], ...]:
        """The inputs and nodes by depth: each reads only from earlier generations."""
        return tuple(map(tuple, dag.generations(self._dag)))

    @cached_property
    def needed(self) -> frozenset[str]:
        """The nodes that an output depends on; the others are never run."""
        return frozenset(self.nodes.keys() & dag.ancestors(self._dag, [ref.source for ref in self.outputs.values()]))

    def pruned(self, outputs: str | Iterable[str]) -> Graph:
        """Return the graph of some outputs and of what they depend on, with the same layers.

        Parameters
        ----------
        outputs : str or iterable of str
            Names of outputs of this graph, or of nodes (``"node"`` or ``"node.port"``), which become outputs. Outputs
            have precedence; an output made of ``"node.port"`` is named ``node_port``.

        Raises
        ------
        GraphError
            If there is no such output or node, or no name is given.

        Examples
        --------
        >>> from graphnet import Builder, dense
        >>> g = Builder("two_heads")
        >>> code = dense(g.input("x", "batch, feature=4"), 2, name="code")
        >>> graph = g.build(scores=dense(code, 3, name="scores"), other=dense(g.input("z"), 3, name="unrelated"))
        >>> graph.pruned("scores")
        Graph('two_heads': x -> 2 nodes -> scores)
        >>> graph.pruned("code")
        Graph('two_heads': x -> 1 nodes -> code)
        """
        refs = {}
        for name in extract.listed(outputs):
            refs[name.replace(".", "_")] = self.outputs[name] if name in self.outputs else self._node_value(name)
        kept = dag.ancestors(self._dag, [ref.source for ref in refs.values()])
        return Graph(self.name, *extract.restricted(self.inputs, self.nodes, kept, refs))

    def _node_value(self, name: str) -> Ref:
        ref = Ref.parse(name)
        if ref.source not in self.nodes:
            raise unknown(
                "output or node", name, [*self.outputs, *self.nodes], where=f"graph {self.name!r}", error=GraphError
            )
        return ref

    def between(self, start: str | Iterable[str], end: str | Iterable[str]) -> Graph:
        """Return the graph of all nodes on a path from ``start`` to ``end``, both included, with the same layers.

        What these nodes read from elsewhere becomes an input: a graph input as it is declared here, the value of a
        node under the node's name. The outputs are those of the nodes ``end``.

        Parameters
        ----------
        start : str or iterable of str
            Names of inputs or nodes.
        end : str or iterable of str
            Names of nodes.

        Raises
        ------
        GraphError
            If there is no such input or node, or no path from ``start`` to ``end``.

        Examples
        --------
        >>> from graphnet import Builder, dense
        >>> g = Builder("deep")
        >>> x = g.input("x", "batch, feature=4")
        >>> graph = g.build(dense(dense(dense(x, 8, name="first"), 8, name="second"), 3, name="third"))
        >>> graph.between("second", "third")
        Graph('deep': first -> 2 nodes -> third)
        """
        starts, ends = extract.listed(start), extract.listed(end)
        where = f"graph {self.name!r}"
        for names, kind, known in (
            (starts, "input or node", [*self.inputs, *self.nodes]),
            (ends, "node", list(self.nodes)),
        ):
            for name in names:
                if name not in known:
                    raise unknown(kind, name, known, where=where, error=GraphError)
        region = dag.descendants(self._dag, starts) & dag.ancestors(self._dag, ends)
        if not region:
            first, last = ", ".join(map(repr, starts)), ", ".join(map(repr, ends))
            reverse = bool(dag.descendants(self._dag, ends) & set(starts))
            raise GraphError(
                f"nothing lies between {first} and {last}",
                where=where,
                expected=f"a path from {first} to {last}",
                remedy=f"The path is from {last} to {first}: exchange them." if reverse else None,
            )
        targets = [name for name in ends if name in region]
        return Graph(self.name, *extract.cut_out(self.inputs, self.nodes, region, targets))

    # ------------------------------------------------------------------ comparing and walking
    def __eq__(self, other: object) -> bool:
        """Same structure, names, configurations and sharing of layers; weights do not count."""
        return isinstance(other, Graph) and self.signature() == other.signature()

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.inputs), tuple(self.nodes), tuple(self.outputs)))

    def signature(self) -> tuple[Any, ...]:
        """Everything that equality compares, as nested tuples."""
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
        """The primitive layers, each once, by the path of its first use; they own the weights.

        Layers that no output depends on are not included: they are never run, initialized or saved.
        """
        first_use: dict[int, tuple[str, Layer]] = {}
        for path, layer in self.walk(needed=True):
            if subgraph(layer) is None:
                first_use.setdefault(id(layer), (path, layer))
        return dict(first_use.values())

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
            Of some inputs. Sizes that are neither here nor declared, other than time and batch, are those of the last
            run of this graph.

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

    def to_svg(self, *, depth: int | None = None) -> str:
        """Return a picture of the graph as an SVG file; ``graphnet draw`` writes it, and PNG files.

        Parameters
        ----------
        depth : int, optional
            How far composites and Scans are opened: 0 shows the nodes of this graph, 1 also those inside them, and so
            on. None: down to each gate.

        Raises
        ------
        ConfigError
            If ``depth`` is not a whole number from 0.
        GraphError, ShapeError
            If the graph cannot be compiled.
        PluginError
            If graphlay, which finds the places of boxes and lines, is not installed.
        """
        return str(late.call("graph_svg", self, depth))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the picture, and its text where graphlay is missing."""
        return dict(late.call("mimebundle", self))

    def __repr__(self) -> str:
        return f"Graph({self.name!r}: {', '.join(self.inputs)} -> {len(self.nodes)} nodes -> {', '.join(self.outputs)})"


explain_arguments(Graph)
explain_methods(Graph, "pruned", "between", "explain", "to_svg")
explain_frozen(Graph, "A graph never changes: build another one.")


def subgraph(layer: Layer) -> Graph | None:
    """The graph inside a composite layer (``graph``) or a Scan (``cell``); None for a primitive layer."""
    inner = layer.subgraph
    return inner if isinstance(inner, Graph) else None


def _depth(layer: Layer) -> int:
    """The number of graphs inside each other in a layer."""
    inner = subgraph(layer)
    return 0 if inner is None else inner.depth


def _empty(kind: type[Graph], inner: list[Layer]) -> Graph:
    """A graph to which ``__setstate__`` gives its parts; ``inner`` has been copied by being an argument."""
    return kind.__new__(kind)


def _comparable(value: Any) -> Any:
    """A configuration value with graphs replaced by their signatures."""
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    return value.signature() if isinstance(value, Graph) else value
