"""The axes of a graph's inputs: as declared, as given to the export, as its layers need them, or as last seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphnet import FullyConnected
from graphnet.core.compile.plan import Call, Plan
from graphnet.core.describe.axes import BATCH, FEATURE, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, unknown
from graphnet.core.run.runner import Runner


def graphs_of(runner: Runner, shapes: Mapping[str, Shape]) -> list[Graph]:
    """The graph as it is declared, then with the sizes that the last pass has determined.

    The file leaves free what the declaration does, if the weights fit any such size.

    Parameters
    ----------
    shapes : mapping of str to Shape
        Of inputs, in place of what the graph declares; ``""`` is the only input that is not optional.
    """
    completed, graph = runner.completed(), runner.graph
    given = {_named(graph, name): shape for name, shape in shapes.items()}
    inputs = {}
    for slot, (name, spec) in enumerate(graph.inputs.items()):
        shape = given.get(name, spec.shape)
        if shape is None:
            shape = completed.inputs[name].shape or _needed(runner.plan, runner.layers, slot)
        inputs[name] = replace(spec, shape=shape and _nested(runner.plan, slot, shape))
    declared = replace(graph, inputs=inputs)
    seen = replace(graph, inputs={n: replace(s, shape=given.get(n, s.shape)) for n, s in completed.inputs.items()})
    return [declared] if declared == seen else [declared, seen]


def shapes_given(shapes: Any) -> dict[str, Shape]:
    """The option ``shapes``: axes of the only input, or of inputs by name.

    Raises
    ------
    ConfigError
        If it is of another type.
    ShapeError
        If axes cannot be read.
    """
    if shapes is None:
        return {}
    if isinstance(shapes, (str, Shape)):
        shapes = {"": shapes}
    if not isinstance(shapes, Mapping) or not all(isinstance(each, (str, Shape)) for each in shapes.values()):
        raise ConfigError(
            "not the axes of inputs",
            where="export, shapes",
            expected="'batch, feature=4', or a mapping of names of inputs to such axes",
            received=repr(shapes)[:100],
        )
    return {name: Shape.parse(each) if isinstance(each, str) else each for name, each in shapes.items()}


def _named(graph: Graph, name: str) -> str:
    """The input that a key of ``shapes`` names."""
    required = [each for each, spec in graph.inputs.items() if not spec.optional]
    if not name and len(required) == 1:
        return required[0]
    if name not in graph.inputs:
        raise unknown("input", name, graph.inputs, where="export, shapes", error=ConfigError)
    return name


def _nested(plan: Plan, slot: int, shape: Shape) -> Shape:
    """A shape with the sizes that nested graphs declare for the same value, except those of batch and time."""
    for _, source, declared in plan.nested_inputs:
        if source == slot and declared.rank == shape.rank:
            for axis, size in enumerate(declared.sizes):
                if shape.sizes[axis] is None and size is not None and declared.names[axis] not in (BATCH, TIME):
                    shape = shape.resized(axis, size)
    return shape


def _needed(plan: Plan, layers: Mapping[str, Layer], slot: int) -> Shape | None:
    """The shape of rows of features, for an input that a FullyConnected reads; None for any other one."""
    for step in plan.steps:
        layer: Any = layers[step.layer] if isinstance(step, Call) and slot in step.inputs else None
        if type(layer) is FullyConnected and layer.input_size is not None:
            return Shape((BATCH, FEATURE), (None, layer.input_size))
    return None
