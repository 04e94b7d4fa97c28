"""Where the boxes and lines of a drawing go: found by graphlay, a library for layered graphs, from the inside out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core.errors import PluginError
from graphnet.inspect.drawing.boxes import Box, Drawing
from graphnet.inspect.drawing.labels import beside_lines
from graphnet.inspect.drawing.lettering import FONT, SMALL, shortened, width

#: Room around the graph inside an opened box, and above it for the title.
PADDING, TITLE = 14.0, 26.0
OPTIONS = {
    "direction": "topbottom",
    "spacing": {"layer_gap": 42.0, "node_gap": 26.0, "dummy_gap": 16.0, "isolated_gap": 26.0},
    "labels": {"clearance": 3.0},
}
Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """A box at (x, y), its upper left corner in the drawing that it belongs to, with its size."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    inner: Placed | None = None


@dataclass(frozen=True)
class Placed:
    """A drawing with places: of each box, the points of each line, and the centre of each label (or None)."""

    drawing: Drawing
    width: float
    height: float
    boxes: tuple[Place, ...]
    lines: tuple[tuple[Point, ...], ...]
    labels: tuple[Point | None, ...] = field(default=())


def place(drawing: Drawing, opens: Callable[[Box], bool]) -> Placed:
    """Place a drawing, with the graphs inside those boxes for which ``opens`` is true.

    Boxes inside a box are placed first; the box is then as large as they need. No line goes from the inside of a box
    to the outside, so each graph is placed alone.

    Raises
    ------
    PluginError
        If graphlay is not installed.
    """
    inner = [place(box.inner, opens) if box.inner is not None and opens(box) else None for box in drawing.boxes]
    sizes = [_size(box, inside) for box, inside in zip(drawing.boxes, inner, strict=True)]
    lines = tuple((line.source, line.target, label_size(drawing, i)) for i, line in enumerate(drawing.lines))
    corners, points, labels, whole = _layout(tuple(sizes), lines)
    boxes = tuple(
        Place(box, *corner, *size, inside)
        for box, corner, size, inside in zip(drawing.boxes, corners, sizes, inner, strict=True)
    )
    return Placed(drawing, *whole, boxes, points, labels)


def title(box: Box) -> str:
    """The text in a box, or above the graph in it: the name; states with their step."""
    steps = {"state": " (t−1)", "next state": " (t)", "sequence": " (t)"}
    return shortened(box.name) + steps.get(box.role, "")


def subtitle(box: Box) -> str:
    """The second line: the class of the layer and the number of its parameters."""
    if box.role != "node":
        return ""
    words = [shortened(box.kind)]
    if box.shared:
        words.append(f"weights of {shortened(box.shared)}")
    elif box.parameters is None:
        words.append("? parameters")
    elif box.parameters:
        words.append(f"{box.parameters:,} parameters")
    return " · ".join([*words, *([box.note] if box.note else [])])


def _size(box: Box, inside: Placed | None) -> Point:
    texts = max(width(title(box), FONT, bold=True), width(subtitle(box), SMALL))
    if inside is None:
        opener = 16 if box.inner is not None else 0
        return math.ceil(texts + 22 + opener), 40.0 if box.role == "node" else 24.0
    whole = width(title(box), FONT, bold=True) + width(subtitle(box), SMALL) + 12
    return math.ceil(max(inside.width, whole) + 2 * PADDING), inside.height + PADDING + TITLE


def label_size(drawing: Drawing, number: int) -> Point | None:
    """The room for the label of a line; None without one."""
    line = drawing.lines[number]
    text = label(drawing, number)
    if not text or line.repeated:
        return None
    rows = text.split("\n")
    return math.ceil(max(width(row, SMALL) for row in rows) + 4), len(rows) * SMALL + 3.0


def label(drawing: Drawing, number: int) -> str:
    """The text at a line: the output of its source, if it has several, and the axes and sizes of the value."""
    line = drawing.lines[number]
    return f"{shortened(line.port)}: {line.label}" if line.port and line.label else line.label or shortened(line.port)


Sizes = tuple[Point, ...]
Ends = tuple[tuple[int, int, Point | None], ...]
Layout = tuple[tuple[Point, ...], tuple[tuple[Point, ...], ...], tuple[Point | None, ...], Point]


@functools.lru_cache(maxsize=256)
def _layout(sizes: Sizes, lines: Ends) -> Layout:
    """Corners of boxes, points of lines, centres of labels and the size of the whole; equal graphs are placed once."""
    graph = {
        "nodes": [{"key": str(i), "size": {"width": w, "height": h}} for i, (w, h) in enumerate(sizes)],
        "edges": [
            {
                "source": a,
                "target": b,
                **({} if size is None else {"label_size": {"width": size[0], "height": size[1]}}),
            }
            for a, b, size in lines
        ],
    }
    if not sizes:
        return (), (), (), (0.0, 0.0)
    found = graphlay().layout(graph, options=OPTIONS)
    corners = [
        (n["center"]["x"] - w / 2, n["center"]["y"] - h / 2) for n, (w, h) in zip(found.nodes, sizes, strict=True)
    ]
    points = [[_point(p) for p in edge["points"]] for edge in found.edges]
    anchors = [_anchor(edge, points[i], lines[i][2]) for i, edge in enumerate(found.edges)]
    labels = [size for _, _, size in lines]
    edges = np.array([(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sizes, strict=True)])
    return _moved(sizes, corners, points, beside_lines(edges, points, labels, anchors), labels)


def _anchor(edge: dict[str, Any], points: list[Point], size: Point | None) -> Point | None:
    if size is None:
        return None
    anchor = edge.get("label_anchor")
    if anchor is not None:
        return _point(anchor)
    return points[len(points) // 2] if points else None


def _point(point: dict[str, float]) -> Point:
    return float(point["x"]), float(point["y"])


def _moved(
    sizes: Sizes,
    corners: list[Point],
    points: list[list[Point]],
    anchors: list[Point | None],
    labels: list[Point | None],
) -> Layout:
    """The layout with its upper left corner at (0, 0)."""
    low = [*corners, *(p for line in points for p in line)]
    high = [(x + w, y + h) for (x, y), (w, h) in zip(corners, sizes, strict=True)] + [
        p for line in points for p in line
    ]
    for anchor, size in zip(anchors, labels, strict=True):
        if anchor is not None and size is not None:
            low.append((anchor[0] - size[0] / 2, anchor[1] - size[1] / 2))
            high.append((anchor[0] + size[0] / 2, anchor[1] + size[1] / 2))
    left, top = min(x for x, _ in low), min(y for _, y in low)
    whole = max(x for x, _ in high) - left, max(y for _, y in high) - top

    def moved(point: Point) -> Point:
        return round(point[0] - left, 1), round(point[1] - top, 1)

    lines = tuple(tuple(map(moved, line)) for line in points)
    return tuple(map(moved, corners)), lines, tuple(None if a is None else moved(a) for a in anchors), whole


def graphlay() -> Any:
    """The module graphlay.

    Raises
    ------
    PluginError
        If it is not installed.
    """
    try:
        import graphlay
    except ImportError as error:
        raise PluginError(
            "pictures of graphs need graphlay, which cannot be imported",
            received=str(error),
            remedy="pip install 'graphlay>=0.3,<0.4'",
        ) from error
    return graphlay
