"""The batch axis of each input and output of a graph, and the input whose lengths an output has."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from graphnet.core.compile import infer
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Input
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.core.run.runner import Runner


@dataclass(frozen=True)
class InputPort:
    """The axes of one input of a graph.

    Attributes
    ----------
    name : str
    axis : int
        The batch axis.
    sequence : bool
        Whether its axes begin with (time, batch): rows may then differ in length.
    declaration : Input
    """

    name: str
    axis: int
    sequence: bool
    declaration: Input


@dataclass(frozen=True)
class OutputPort:
    """The axes of one output of a graph.

    Attributes
    ----------
    name : str
    axis : int
        The batch axis.
    origin : str or None
        For an output with axes (time, batch, …), the input whose lengths it has; None for any other output.
    shape : Shape or None
        As far as the declared inputs determine it.
    """

    name: str
    axis: int
    origin: str | None
    shape: Shape | None

    def sized(self, rows: int, steps: int) -> tuple[int, ...] | None:
        """The shape for a number of rows and steps; None if the declarations do not determine it."""
        if self.shape is None:
            return None
        sizes = list(self.shape.sizes)
        if self.origin is not None:
            sizes[0] = steps
        sizes[self.axis] = rows
        known = tuple(size for size in sizes if size is not None)
        return known if len(known) == len(sizes) else None


def input_ports(graph: Graph) -> dict[str, InputPort]:
    """The inputs by name.

    Raises
    ------
    ShapeError
        If an input declares axes without a batch axis.
    """
    return {name: _input_port(graph, name, declaration) for name, declaration in graph.inputs.items()}


def _input_port(graph: Graph, name: str, declaration: Input) -> InputPort:
    shape = declaration.shape
    if shape is None:
        return InputPort(name, 0, False, declaration)
    if BATCH not in shape.names:
        raise ShapeError(
            "the input has no batch axis",
            where=f"{graph.name}, input {name!r}",
            expected=f"an axis named {BATCH!r}, as in 'batch, feature=4' or 'time, batch, feature=4'",
            received=shape,
        )
    return InputPort(name, shape.axis(BATCH), shape.names[:2] == (TIME, BATCH), declaration)


def output_ports(runner: Runner) -> dict[str, OutputPort]:
    """The outputs by name; cached for each runner, because every piece of a stream needs them."""
    if runner not in _CACHE:
        _CACHE[runner] = _output_ports(runner)
    return _CACHE[runner]


_CACHE: weakref.WeakKeyDictionary[Runner, dict[str, OutputPort]] = weakref.WeakKeyDictionary()


def _output_ports(runner: Runner) -> dict[str, OutputPort]:
    graph, plan = runner.graph, runner.plan
    if any(declaration.shape is None for declaration in graph.inputs.values() if not declaration.optional):
        return {name: OutputPort(name, 0, None, None) for name in graph.outputs}
    shapes = infer(plan, runner.layers, plan.declared)
    ports = {}
    for name, slot in plan.outputs:
        origin, shape = shapes.lengths[slot], shapes.slots[slot]
        axis = shape.axis(BATCH) if shape is not None and shape.has(BATCH) else 0
        ports[name] = OutputPort(name, axis, None if origin is None else plan.inputs[origin], shape)
    return ports
