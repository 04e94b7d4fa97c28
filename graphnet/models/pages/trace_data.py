"""A trace as data for a page: the cell drawn with everything open, and the numbers of each box and line by step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Ref
from graphnet.core.describe.scan import Scan
from graphnet.core.errors import GraphError
from graphnet.inspect.drawing import Box, Drawing, Place, Placed, draw, place
from graphnet.inspect.drawing.labels import NEAR
from graphnet.inspect.drawing.places import TITLE, Point, label_size, subtitle, title
from graphnet.inspect.summary import summary
from graphnet.models.pages.details import class_data, node_data
from graphnet.models.pages.tracing import Trace, step_outputs
from graphnet.models.pages.wiring import Wiring

#: Numbers of a page together; the most and the least of one value.
NUMBERS, MOST, LEAST = 150_000, 64, 8
#: Vectors of up to this many numbers are written on edges; others are strips.
WRITTEN = 4
#: The most lines of text for which a matrix has room at an edge.
MATRIX_LINES = 4


def trace_data(graph: Graph, path: str, record: Trace) -> dict[str, Any]:
    """The data of the page for the Scan at ``path``."""
    scan = dict(graph.walk())[path]
    assert isinstance(scan, Scan) and record.plan is not None
    drawing = _inner(draw(summary(graph)), path)
    wiring = Wiring(scan.cell, path, record.plan)
    first = record.steps[0].values
    placed = place(_with_room(drawing, f"{path}/", wiring, first), _opens)
    flat = _Flat(wiring, _ports(drawing, f"{path}/"))
    flat.fill(placed, f"{path}/")
    boxes, lines = flat.boxes, flat.lines
    count = len(record.steps) * (2 * len(first) + len(lines))
    limit = max(LEAST, min(MOST, NUMBERS // max(1, count)))
    numbers = {box["p"]: i for i, box in enumerate(boxes)}
    settings = node_data(drawing)
    return {
        "name": scan.cell.name,
        "path": path,
        "w": placed.width,
        "h": placed.height,
        "reverse": record.reverse,
        "boxes": boxes,
        "lines": [{key: value for key, value in line.items() if key != "ends"} for line in lines],
        "order": [{"box": numbers[step.path], "writes": list(step_outputs(step))} for step in record.plan.steps],
        "note": record.note,
        "shapes": {slot: list(np.shape(value)) for slot, value in first.items()},
        "grids": {slot: grid for slot, value in first.items() if (grid := _grid(np.shape(value), limit))},
        "values": [_by_slot(step.values, limit) for step in record.steps],
        "errors": [_by_slot(step.errors, limit) for step in record.steps],
        "parts": [[_short(wiring.error(step, *line["ends"]), limit) for line in lines] for step in record.steps],
        "classes": class_data(drawing),
        "settings": {name: each["settings"] for name, each in settings.items() if "settings" in each},
    }


def _inner(drawing: Drawing, path: str) -> Drawing:
    for box in drawing.walk():
        if box.path == path and box.inner is not None:
            return box.inner
    raise GraphError("this Scan is not part of the drawing", where=path)


def _ports(drawing: Drawing, path: str) -> dict[str, list[str]]:
    """The outputs of nodes that the lines come from, by the path of the graph."""
    found = {path: [line.port for line in drawing.lines]}
    for box in drawing.boxes:
        if box.inner is not None and _opens(box):
            found |= _ports(box.inner, f"{box.path}/")
    return found


def _opens(box: Box) -> bool:
    """Whether a box is shown open; of a Scan inside the cell only the results are part of the trace."""
    return box.inner is not None and not isinstance(box.layer, Scan)


def _with_room(drawing: Drawing, path: str, wiring: Wiring, values: dict[int, Any]) -> Drawing:
    """The drawing with room for numbers at every line."""
    lines = []
    for line in drawing.lines:
        source = drawing.boxes[line.source]
        slot = wiring.slot(path, source.name, line.port)
        size = 1 if slot is None or slot not in values else np.size(values[slot])
        grid = None if slot is None or slot not in values else _grid(np.shape(values[slot]), MOST)
        rows, columns = grid or (1, size)
        row = " ".join(["−0.000"] * columns) if size <= WRITTEN else "0" * 13
        room = "\n".join([row] * min(rows, MATRIX_LINES))
        lines.append(replace(line, label=room, port="", repeated=False))
    boxes = tuple(
        replace(box, inner=_with_room(box.inner, f"{box.path}/", wiring, values))
        if box.inner is not None and _opens(box)
        else box
        for box in drawing.boxes
    )
    return Drawing(drawing.name, boxes, tuple(lines))


class _Flat:
    """The boxes and lines of a drawing and of all that is open in it, in one list each, outer before inner."""

    def __init__(self, wiring: Wiring, ports: dict[str, list[str]]) -> None:
        self.wiring, self.ports = wiring, ports
        self.boxes: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []

    def fill(self, placed: Placed, path: str, left: float = 0.0, top: float = 0.0) -> None:
        """Add the boxes and lines of the graph at ``path``, whose corner is at (left, top)."""
        numbers = []
        for each in placed.boxes:
            numbers.append(len(self.boxes))
            self.boxes.append(self._box(each, left, top))
            if each.inner is not None:
                x = left + each.x + (each.width - each.inner.width) / 2
                self.fill(each.inner, f"{each.box.path}/", x, top + each.y + TITLE)
        boxes = placed.drawing.boxes
        for i, line in enumerate(placed.drawing.lines):
            source, target, port = boxes[line.source], boxes[line.target], self.ports[path][i]
            end = f">{target.name}" if target.path.startswith(f"{path}>") else target.name
            data: dict[str, Any] = {
                "a": numbers[line.source],
                "b": numbers[line.target],
                "v": self.wiring.slot(path, source.name, port),
                "pts": [value for x, y in placed.lines[i] for value in (round(x + left, 1), round(y + top, 1))],
                "ends": (path, Ref(source.name, port or None), end),
            }
            at = placed.labels[i]
            if at is not None:
                data["at"] = [round(at[0] + left, 1), round(at[1] + top, 1)]
                lean = _lean(placed.lines[i], at, label_size(placed.drawing, i))
                if lean:
                    data["lean"] = lean
            if port:
                data["port"] = port
            self.lines.append(data)

    def _box(self, each: Place, left: float, top: float) -> dict[str, Any]:
        box = each.box
        data: dict[str, Any] = {
            "p": box.path, "n": title(box), "s": subtitle(box), "r": box.role, "k": box.kind, "name": box.name,
            "at": [round(each.x + left, 1), round(each.y + top, 1), each.width, each.height],
            "v": self.wiring.slots.get(box.path),
        }  # fmt: skip
        if each.inner is not None:
            data["open"] = True
        if box.role != "node" and box.path.startswith((f"{self.wiring.top}<", f"{self.wiring.top}>")):
            data |= {"outer": True, "before": box.path.startswith(f"{self.wiring.top}<")}
        if box.parameters is None or box.parameters or box.shared:
            data["c"] = box.parameters
        return data


def _lean(points: Sequence[Point], at: Point, size: Point | None) -> float:
    """How far the numbers may move in their room to be beside the line: to the right, or negative to the left."""
    half = 0.0 if size is None else size[0] / 2
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        if x == to_x and min(y, to_y) <= at[1] <= max(y, to_y) and half <= abs(x - at[0]) <= half + 2 * NEAR:
            return math.copysign(half, x - at[0])
    return 0.0


def _by_slot(arrays: dict[int, Any], limit: int) -> dict[int, list[float | None]]:
    return {slot: _short(array, limit) or [] for slot, array in arrays.items()}


def _short(array: Any, limit: int) -> list[float | None] | None:
    """The numbers of a value, to 4 digits; of more than ``limit``, means of neighbours."""
    if array is None:
        return None
    flat = np.asarray(array, np.float64).ravel()
    grid = _grid(np.shape(array), limit)
    if grid is not None:
        matrix = flat.reshape(-1, np.shape(array)[-1])
        for axis, count in enumerate(grid):
            pieces = np.array_split(matrix, count, axis)
            matrix = np.stack([piece.mean(axis) for piece in pieces], axis)
        flat = matrix.ravel()
    elif flat.size > limit:
        edges = np.linspace(0, flat.size, limit + 1).astype(int)
        flat = np.array([flat[a:b].mean() for a, b in itertools.pairwise(edges)])
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in flat]


def _grid(shape: tuple[int, ...], limit: int) -> tuple[int, int] | None:
    """Rows and columns of a value that is a matrix, or more, in each row of the batch; at most ``limit`` numbers.

    All axes but the last are rows. None for vectors, and for a matrix with one row or column.
    """
    rows, columns = (math.prod(shape[1:-1]), shape[-1]) if len(shape) > 2 else (1, 1)
    if rows <= 1 or columns <= 1:
        return None
    if rows * columns > limit:
        side = math.isqrt(limit)
        columns = min(columns, max(side, limit // rows))
        rows = min(rows, limit // columns)
    return rows, columns
