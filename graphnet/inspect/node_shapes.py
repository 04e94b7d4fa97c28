"""The inferred shape of every value of a graph, by the path of its node."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from graphnet.core.compile import Shapes, infer
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.node import Ref
from graphnet.core.describe.scan import Scan
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.core.run.runner import Runner


def node_shapes(runner: Runner) -> dict[str, Shape]:
    """Every shape that follows from the declared inputs, by the path of its node (and port); none if they do not fit.

    Values inside the cells of Scans are included.
    """
    with contextlib.suppress(ShapeError):
        return _shapes_by_path(runner.plan, infer(runner.plan, runner.layers, runner.plan.declared))
    return {}


def shape_of(graph: Graph, ref: Ref, path: str, shapes: Mapping[str, Shape]) -> Shape | None:
    """The shape of a value; for an output of a nested graph, that of the inner node which computes it."""
    node = graph.nodes.get(ref.source)
    inner = None if node is None or isinstance(node.layer, Scan) else subgraph(node.layer)
    if node is None or inner is None:
        return shapes.get(f"{path}{ref}")
    port = ref.port or node.layer.output_ports()[0]
    target = inner.outputs[port]
    if target.source in inner.inputs:
        outer = dict(zip(inner.inputs, node.inputs, strict=False)).get(target.source)
        return None if outer is None else shape_of(graph, outer, path, shapes)
    return shape_of(inner, target, f"{path}{ref.source}/", shapes)


def _shapes_by_path(plan: Plan, inferred: Shapes) -> dict[str, Shape]:
    """Every inferred shape by the path of its node (and port), including those inside cells."""
    slots = zip(plan.slot_paths, inferred.slots, strict=True)
    by_path = {path: shape for path, shape in slots if shape is not None}
    for step in plan.steps:
        if isinstance(step, Loop):
            by_path |= _shapes_by_path(step.cell, inferred.cells[step.path])
    return by_path
