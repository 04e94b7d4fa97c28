"""Which axis of each input and output of a graph is the batch, and whose row lengths hold for an output."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from graphnet.core.compile import infer
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.node import Input
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.errors import ShapeError
from graphnet.core.run.runner import Runner


@dataclass(frozen=True)
class InputPort:
    """One input of a graph, as data see it.

    Attributes
    ----------
    axis : int
        Of the batch.
    sequence : bool
        Whether its axes begin with (time, batch): rows may then differ in length.
    given : Input
    """

    name: str
    axis: int
    sequence: bool
    given: Input


@dataclass(frozen=True)
class OutputPort:
    """One output of a graph, as targets see it.

    Attributes
    ----------
    axis : int
        Of the batch.
    origin : str or None
        The input whose row lengths hold, for an output with axes (time, batch, …).
    shape : Shape or None
        As far as the declared inputs tell it.
    """

    name: str
    axis: int
    origin: str | None
    shape: Shape | None

    def sized(self, rows: int, steps: int) -> tuple[int, ...] | None:
        """The shape for so many rows and steps; None where the declarations do not tell it."""
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
        If declared axes have no batch among them.
    """
    return {name: _input(graph, name, given) for name, given in graph.inputs.items()}


def _input(graph: Graph, name: str, given: Input) -> InputPort:
    if given.shape is None:
        return InputPort(name, 0, False, given)
    if BATCH not in given.shape.names:
        raise ShapeError(
            "the input has no batch axis",
            where=f"{graph.name}, input {name!r}",
            expected=f"an axis named {BATCH!r}, as in 'batch, feature=4' or 'time, batch, feature=4'",
            received=given.shape,
        )
    return InputPort(name, given.shape.axis(BATCH), given.shape.names[:2] == (TIME, BATCH), given)


def output_ports(runner: Runner) -> dict[str, OutputPort]:
    """The outputs by name; found once for a runner, because a stream asks with every piece."""
    if runner not in _KNOWN:
        _KNOWN[runner] = _output_ports(runner)
    return _KNOWN[runner]


_KNOWN: weakref.WeakKeyDictionary[Runner, dict[str, OutputPort]] = weakref.WeakKeyDictionary()


def _output_ports(runner: Runner) -> dict[str, OutputPort]:
    graph, plan = runner.graph, runner.plan
    if any(given.shape is None for given in graph.inputs.values() if not given.optional):
        return {name: OutputPort(name, 0, None, None) for name in graph.outputs}
    found = infer(plan, runner.layers, plan.declared)
    ports = {}
    for name, slot in plan.outputs:
        origin, shape = found.lengths[slot], found.slots[slot]
        axis = shape.axis(BATCH) if shape is not None and shape.has(BATCH) else 0
        ports[name] = OutputPort(name, axis, None if origin is None else plan.inputs[origin], shape)
    return ports
