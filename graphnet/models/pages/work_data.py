"""The multiply-adds of the nodes of a graph as data for a page."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.core.errors import GraphnetError
from graphnet.inspect.multiply_adds import multiply_adds
from graphnet.models.pages.facts import cleaned


def work_data(graph: Graph, steps: int) -> dict[str, Any]:
    """For a row of ``steps`` steps: multiply-adds forward and backward, elementwise operations likewise, by path.

    A fifth entry is the reason why something is missing.
    """
    try:
        found = multiply_adds(graph, steps=steps)
    except GraphnetError as error:
        return {"missing": cleaned(str(error))}
    nodes: dict[str, list[Any]] = {}
    for each in found.counts:
        nodes[each.path] = [each.forward, each.backward, each.elementwise_forward, each.elementwise_backward]
        if each.reason:
            nodes[each.path].append(cleaned(each.reason)[:200])
    return {"steps": steps, "nodes": nodes}
