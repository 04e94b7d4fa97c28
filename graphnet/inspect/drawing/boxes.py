"""What a picture of a graph shows: boxes, the lines between them, and the graphs inside the boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.node import Input, Ref
from graphnet.core.describe.scan import CellGraph, Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.runner import Runner
from graphnet.inspect.node_shapes import node_shapes, shape_of
from graphnet.inspect.summary_table import Row, Summary


@dataclass(frozen=True)
class Line:
    """An edge: the boxes that it joins, by number, and the axes and sizes of the value that it carries.

    ``port`` is the output of the source, if that has several; ``repeated`` says that an earlier line shows the label.
    """

    source: int
    target: int
    label: str = ""
    port: str = ""
    repeated: bool = False


@dataclass(frozen=True)
class Box:
    """An input, a node or an output.

    Attributes
    ----------
    path : str
        ``lstm/scan/forget_gate``; unique in a drawing. Inputs end in ``<name``, outputs in ``>name``.
    name, kind : str
        The name, and that of the layer's class.
    role : str
        'node', 'input', 'output'; in cells also 'sequence', 'state', 'context' and 'next state'.
    shape : str
        Axes and sizes of the first output.
    parameters : int or None
        As in :class:`graphnet.inspect.summary.Row`.
    shared : str
        The path of the first use of the layer, if this is a later one.
    note : str
        'frozen', 'unused', 'reversed', or several of them.
    layer : Layer or None
    inner : Drawing or None
        The graph inside.
    """

    path: str
    name: str
    kind: str
    role: str = "node"
    shape: str = ""
    parameters: int | None = 0
    shared: str = ""
    note: str = ""
    layer: Layer | None = field(default=None, repr=False, compare=False)
    inner: Drawing | None = None


@dataclass(frozen=True)
class Drawing:
    """The boxes and lines of one graph."""

    name: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]

    def walk(self) -> Iterator[Box]:
        """Every box, outer before inner."""
        for box in self.boxes:
            yield box
            if box.inner is not None:
                yield from box.inner.walk()


def draw(summary: Summary) -> Drawing:
    """The drawing of a graph, from its summary, whose rows have the numbers of parameters.

    Raises
    ------
    GraphError, ShapeError
        If the graph cannot be compiled.
    """
    graph = summary.graph
    declared = {name: each.shape for name, each in graph.inputs.items()}
    return _Drawer(_by_path(summary), node_shapes(Runner(graph))).drawing(graph, "", declared)


def _by_path(summary: Summary) -> dict[str, Row]:
    """The rows of nodes by path."""
    rows: dict[str, Row] = {}
    names: list[str] = []
    for row in summary.rows:
        del names[row.depth :]
        names.append(row.name)
        if row.kind != "input":
            rows["/".join(names)] = row
    return rows


@dataclass
class _Drawer:
    rows: Mapping[str, Row]
    shapes: Mapping[str, Shape]

    def drawing(self, graph: Graph, path: str, inputs: Mapping[str, Shape | None]) -> Drawing:
        """The boxes and lines of a graph whose inputs have these shapes."""
        roles = _roles(graph)
        numbers: dict[str, int] = {}
        boxes: list[Box] = []
        for name, declared in graph.inputs.items():
            numbers[name] = len(boxes)
            boxes.append(self._input(path, name, declared, roles.get(name, "input"), inputs.get(name)))
        for name in graph.order:
            numbers[name] = len(boxes)
            boxes.append(self._node(graph, path, name, inputs))
        ends = len(boxes)
        for name, ref in graph.outputs.items():
            role = "next state" if roles.get(name) == "state" else "output"
            shape = _text(self._shape(graph, ref, path, inputs))
            boxes.append(Box(f"{path}>{name}", name, "", role, shape))
        lines: dict[tuple[str, str], list[Line]] = {}
        reads = [(numbers[n], ref) for n in graph.order for ref in graph.nodes[n].inputs if ref is not None]
        for target, ref in [*reads, *((ends + i, ref) for i, ref in enumerate(graph.outputs.values()))]:
            shape = _text(self._shape(graph, ref, path, inputs))
            same = lines.setdefault((ref.source, ref.port or ""), [])
            same.append(Line(numbers[ref.source], target, shape, ref.port or "", bool(same)))
        return Drawing(graph.name, tuple(boxes), tuple(line for same in lines.values() for line in same))

    def _input(self, path: str, name: str, declared: Input, role: str, shape: Shape | None) -> Box:
        note = "optional" if declared.optional and role == "input" else ""
        return Box(f"{path}<{name}", name, "", role, _text(shape), note=note)

    def _node(self, graph: Graph, path: str, name: str, inputs: Mapping[str, Shape | None]) -> Box:
        node, here = graph.nodes[name], f"{path}{name}"
        row, inner = self.rows.get(here), subgraph(node.layer)
        first = row.note.removeprefix("as ") if row is not None and row.note.startswith("as ") else ""
        drawn = None
        if inner is not None:
            given = [None if ref is None else self._shape(graph, ref, path, inputs) for ref in node.inputs]
            drawn = self.drawing(inner, f"{here}/", self._inner_inputs(inner, given, f"{here}/"))
        return Box(
            here,
            name,
            type(node.layer).__name__,
            shape=_text(self._shape(graph, Ref(name), path, inputs)),
            parameters=0 if row is None else row.parameters,
            shared=first,
            note=_note(node.layer, row),
            layer=node.layer,
            inner=drawn,
        )

    def _inner_inputs(self, inner: Graph, given: list[Shape | None], path: str) -> dict[str, Shape | None]:
        """The shapes of the inputs of a nested graph; a cell reads one step of its sequences."""
        if not isinstance(inner, CellGraph):
            names: tuple[str, ...] = tuple(inner.inputs)
            return dict(zip(names, [*given, *[None] * len(names)], strict=False))
        names = (*inner.sequences, *inner.states, *inner.contexts)
        shapes = dict(zip(names, [*given, *[None] * len(names)], strict=False))
        for name in inner.sequences:
            whole = shapes[name]
            shapes[name] = None if whole is None or not whole.rank else Shape(whole.names[1:], whole.sizes[1:], False)
        for name in inner.states:
            shapes[name] = self._shape(inner, inner.outputs[name], path, shapes)
        return shapes

    def _shape(self, graph: Graph, ref: Ref, path: str, inputs: Mapping[str, Shape | None]) -> Shape | None:
        if ref.source in graph.inputs:
            return inputs.get(ref.source) or graph.inputs[ref.source].shape
        return shape_of(graph, ref, path, self.shapes)


def _roles(graph: Graph) -> dict[str, str]:
    if not isinstance(graph, CellGraph):
        return {}
    roles = {"sequence": graph.sequences, "state": graph.states, "context": graph.contexts}
    return {name: role for role, names in roles.items() for name in names}


def _note(layer: Layer, row: Row | None) -> str:
    words = {
        "reversed": isinstance(layer, Scan) and layer.reverse,
        "frozen": row is not None and row.frozen,
        "unused": row is not None and row.note == "unused",
    }
    return ", ".join(word for word, applies in words.items() if applies)


def _text(shape: Shape | None) -> str:
    return "" if shape is None else str(shape).strip("()")
