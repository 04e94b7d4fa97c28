"""The graph of a model as data for a page: every nested graph with its places, closed, and the page opens them."""

from __future__ import annotations

from typing import Any

from graphnet.inspect.drawing import Drawing, place
from graphnet.inspect.drawing.places import label, subtitle, title


def graph_data(drawing: Drawing) -> list[dict[str, Any]]:
    """The graph and all graphs inside it, each with the places of its boxes while they are closed.

    The key ``g`` of a box is the number of the graph inside. The first graph is the outermost one.
    """
    found: list[dict[str, Any]] = [{}]
    _fill(drawing, 0, found)
    return found


def _fill(drawing: Drawing, number: int, found: list[dict[str, Any]]) -> None:
    placed = place(drawing, lambda box: False)
    boxes = []
    for each in placed.boxes:
        box = each.box
        data: dict[str, Any] = {
            "p": box.path, "n": title(box), "s": subtitle(box), "r": box.role,
            "at": [each.x, each.y, each.width, each.height],
        }  # fmt: skip
        optional = {"k": box.kind, "h": box.shape, "as": box.shared, "m": box.note}
        data |= {name: value for name, value in optional.items() if value}
        if box.parameters is None or box.parameters:
            data["c"] = box.parameters
        if box.inner is not None:
            data["g"] = len(found)
            found.append({})
            _fill(box.inner, data["g"], found)
        boxes.append(data)
    lines = []
    for i, line in enumerate(drawing.lines):
        points = [value for point in placed.lines[i] for value in point]
        shown: dict[str, Any] = {"a": line.source, "b": line.target, "l": label(drawing, i), "pts": points}
        if placed.labels[i] is not None:
            shown["at"] = placed.labels[i]
        lines.append(shown)
    found[number].update(name=drawing.name, w=placed.width, h=placed.height, boxes=boxes, lines=lines)
