"""``graphnet.equations``: the equations of a layer, a graph or a model."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, GraphnetError, ShapeError
from graphnet.inspect.equations.equation import Equations, written
from graphnet.inspect.equations.expansion import Rules, graph_blocks, layer_blocks, node_blocks
from graphnet.inspect.equations.place import BATCH, STEPS, Place, place_of, places
from graphnet.inspect.equations.recording import input_names, sizes_of

#: Shapes that are tried for a layer whose input shapes are not given; ``{}`` is a width of its weights.
TRIED = (
    *("batch, feature={}", "time, batch, feature={}", "batch, channel={}, y=6, x=7", "batch, channel={}, x=7"),
    *("batch, row=3, feature={}", "time, batch"),
)
#: Characters of a docstring's equation.
LONGEST = 600


@explained
def equations(target: Any, shapes: Any = None) -> Equations:
    r"""Return what a layer, a graph or a model computes as equations, recorded from its rules.

    The rule of each layer is run on arrays that record what numpy does with them, so the equations are what is
    computed, in the simplest form of the same function: ``σ(x)`` for the form with exponentials that a rule has against
    overflow. A graph has a line for each value that has weights or is used more than once; the others are written
    inside these. In the cell of a Scan, ``h[t-1]`` is the state of the step before. Composites are opened.

    Parameters
    ----------
    target : Layer, Graph, CellGraph, Model or Runner
    shapes : str or Shape, a list of these, or a mapping of input name to one, optional
        Of the inputs, such as ``"batch, feature=4"``, where they are not declared. Equations depend on them only where
        a rule does; without, common shapes are tried.

    Returns
    -------
    Equations
        Its ``str`` is code of numpy; ``to_mathml()`` and ``to_latex()`` return mathematics. Of a layer whose rule
        cannot be recorded, it has the equation of the docstring, and says so.

    Raises
    ------
    ConfigError
        If ``target`` is none of these.
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import graphnet
    >>> graphnet.equations(graphnet.FullyConnected(4, 3))
    y = x @ weights[:-1] + weights[-1]
    >>> print(graphnet.equations(graphnet.Divide()).to_latex())
    \begin{aligned}
    y &= \frac{a}{b}
    \end{aligned}
    """
    if isinstance(target, Layer) and subgraph(target) is None:
        return _of_layer(target, shapes)
    graph = target.subgraph if isinstance(target, Layer) else getattr(target, "graph", target)
    if not isinstance(graph, Graph):
        raise ConfigError(
            "there are no equations",
            where="equations",
            expected="a Layer, a Graph, a Model or a Runner",
            received=repr(target)[:200],
        )
    layer = target if isinstance(target, Layer) else Scan(graph) if isinstance(graph, CellGraph) else None
    place = _place(graph, shapes) if layer is None else _inner_place(layer, shapes)
    rules = Rules()
    try:
        return written(graph_blocks(place, rules))
    except Untraceable as reason:
        return Equations(reason=str(reason), documented=documented(target))


def node_equations(place: Place, rules: Rules | None = None) -> Iterator[tuple[str, Equations]]:
    """The equations of every node of a graph, by path; those with a graph inside have all of its lines."""
    known = Rules() if rules is None else rules
    for path, where, node in places(place):
        inner = where.inside(node)
        try:
            blocks = node_blocks(where, node, known) if inner is None else graph_blocks(inner, known)
            yield path, written(blocks)
        except (Untraceable, GraphnetError) as reason:
            yield path, Equations(reason=str(reason), documented=documented(node.layer))


def documented(target: Any) -> str:
    """The equations of a docstring: its lines with an equals sign before the parameters, or its first line."""
    doc = inspect.cleandoc(type(target).__doc__ or "") if isinstance(target, Layer) else ""
    before = re.split(r"\n(?:Parameters|Raises|Examples|Attributes)\n-", doc)[0]
    first, *others = before.split("\n\n")
    indented = [line.strip() for text in others for line in text.splitlines() if line.startswith("    ")]
    found = [first] if re.search(r"\s=\s", first) else indented
    return "\n".join(found).replace("``", "").strip()[:LONGEST] or doc.partition("\n")[0][:LONGEST]


def _given(shapes: Any, names: list[str]) -> dict[str, Shape]:
    """The shapes of inputs by name."""
    if shapes is None:
        return {}
    if isinstance(shapes, Mapping):
        pairs = list(shapes.items())
    else:
        several = list(shapes) if isinstance(shapes, (list, tuple)) else [shapes]
        pairs = list(zip(names, several, strict=False))
    found = {}
    for each, shape in pairs:
        parsed = Shape.parse(shape) if isinstance(shape, str) else shape
        if not isinstance(parsed, Shape):
            raise ShapeError(
                "not a shape", where=f"equations, input {each!r}", expected="'batch, feature=4'", received=repr(shape)
            )
        found[each] = parsed
    return found


def _of_layer(layer: Layer, shapes: Any) -> Equations:
    several = len(shapes) if isinstance(shapes, (list, tuple)) else len(layer.input_ports().names)
    names = input_names(layer, several)
    given = _given(shapes, names)
    if given:
        tried = [[sizes_of(given[each], BATCH, STEPS) for each in names if each in given]]
    else:
        tried = [[sizes_of(shape, BATCH, STEPS)] * count for shape in _guesses(layer) for count in _counts(layer)]
    reason = "no shape of its inputs is known; give one as the second argument"
    for attempt in tried:
        try:
            layer.infer(*attempt)
            return written(layer_blocks(layer, attempt, None, "y", Rules()))
        except Untraceable as error:
            reason = str(error)
        except GraphnetError as error:
            if given:
                raise
            reason = str(error)
        except Exception as error:  # a rule of a plugin may raise anything for shapes that it does not expect
            reason = f"{type(error).__name__}: {error}"
    return Equations(reason=reason, documented=documented(layer))


def _counts(layer: Layer) -> list[int]:
    ports = layer.input_ports()
    required = sum(each not in ports.optional for each in ports.names)
    return [count for count in {max(required, 2 if ports.variadic else 1), len(ports.names)} if ports.accepts(count)]


def _guesses(layer: Layer) -> Iterator[Shape]:
    widths = {n for parameter in layer.params.values() for n in parameter.value.shape}
    widths |= {n - 1 for n in widths if n > 1}
    for text in TRIED:
        for width in (*sorted(widths), 4) if "{}" in text else (0,):
            yield Shape.parse(text.format(width))


def _place(graph: Graph, shapes: Any) -> Place:
    given = _given(shapes, list(graph.inputs))
    if not given:
        return place_of(graph)
    inputs = {each: replace(declared, shape=given.get(each, declared.shape)) for each, declared in graph.inputs.items()}
    return place_of(Graph(graph.name, inputs, dict(graph.nodes), dict(graph.outputs)))


def _inner_place(layer: Layer, shapes: Any) -> Place:
    """The graph inside a layer, with the shapes that follow from those of the layer's inputs."""
    names = [each for each in layer.input_ports().names if each not in layer.input_ports().optional]
    given = _given(shapes, names)
    attempts = [given] if given else [{each: _first(layer, each, width) for each in names} for width in _widths(layer)]
    error: GraphnetError | None = None
    for attempt in attempts:
        builder = Builder("equations")
        try:
            values = [builder.input(f"input_{each}", attempt.get(each)) for each in names]
            value = layer(*values, name="layer")
            outer = place_of(builder.build(**{port: value[port] for port in layer.output_ports()}))
            if outer.shapes:
                inner = outer.inside(outer.graph.nodes["layer"])
                assert inner is not None
                return inner
        except GraphnetError as found:
            error = found
    raise error or ShapeError(
        "no shape of the inputs is known",
        where="equations",
        expected="shapes",
        remedy="Give them as the second argument.",
    )


def _widths(layer: Layer) -> list[int]:
    """Widths of inputs that are tried."""
    graph = subgraph(layer)
    sizes: set[int] = set()
    for inner in (graph.layers() if graph is not None else {}).values():
        for parameter in inner.params.values():
            sizes |= set(parameter.value.shape) | {n - 1 for n in parameter.value.shape if n > 1}
    for declared in (graph.inputs if graph is not None else {}).values():
        if declared.shape is not None:
            sizes |= {n for n in declared.shape.sizes if n is not None}
    own = getattr(layer, "input_size", None)
    return [*([own] if isinstance(own, int) else []), 3, *sorted(sizes)[:40]]


def _first(layer: Layer, each: str, width: int) -> Shape:
    graph = subgraph(layer)
    if isinstance(layer, Scan) and graph is not None:
        declared = graph.inputs[each].shape
        inner = declared if declared is not None else Shape.parse(f"batch, feature={width}")
        sized = Shape(
            inner.names,
            tuple(width if n is None and a != "batch" else n for a, n in zip(inner.names, inner.sizes, strict=True)),
            True,
        )
        return sized.preceded("time", None) if each in layer.cell.sequences else sized
    declared = graph.inputs[each].shape if graph is not None and each in graph.inputs else None
    return declared if declared is not None else Shape.parse(f"time, batch, feature={width}")
