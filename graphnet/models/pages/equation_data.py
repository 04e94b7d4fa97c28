"""The equations of the nodes of a graph as data for a page."""

from __future__ import annotations

import json
from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.inspect.equations import Equations
from graphnet.inspect.equations.find import node_equations
from graphnet.inspect.equations.place import place_of

#: Characters of all equations of a page, and of those for each node; beyond, a node has only its code.
CHARACTERS, FOR_EACH = 500_000, 500


def equation_data(graph: Graph) -> dict[str, dict[str, Any]]:
    """The equations of each node, by path: marks of presentation MathML, and code.

    Keys: ``s`` the sections, each ``[heading, [[marks or 0, code], …], notes]``; ``w`` the symbols of weights and
    what they are; ``r`` the reason why there are none, and ``d`` what the documentation says.
    """
    found = {}
    room = CHARACTERS
    for path, each in node_equations(place_of(graph)):
        data = _data(each, marks=True)
        used = len(json.dumps(data, separators=(",", ":")))
        room += FOR_EACH
        if used > room:
            data = _data(each, marks=False)
            used = len(json.dumps(data, separators=(",", ":")))
        room -= used
        if used <= max(room, FOR_EACH):
            found[path] = data
    return found


def _data(equations: Equations, marks: bool) -> dict[str, Any]:
    if equations.reason:
        return {"r": equations.reason[:400], "d": equations.documented}
    sections = [
        [section.heading, [[line.mark if marks else 0, line.code] for line in section.lines], list(section.notes)]
        for section in equations.sections
    ]
    data: dict[str, Any] = {"s": sections}
    if marks and equations.where:
        data["w"] = [list(pair) for pair in equations.where]
    return data
