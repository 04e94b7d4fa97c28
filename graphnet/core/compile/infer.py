"""Infer the axes and sizes of every slot of a plan, and check that they fit, before anything runs.

``x (batch, feature=4) -> FullyConnected(4, 3)`` gives the second slot ``(batch, feature=3)``. Costs one call of
``infer`` for each step; see ``infer_scan`` for those of cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphnet.core.compile.infer_scan import ScanInference, has_declared_names
from graphnet.core.compile.plan import Call, Loop, Plan, Shapes
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.broadcasting import aligned
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.signatures import Ports
from graphnet.core.errors import GraphnetError, RuleError, ShapeError


def infer(plan: Plan, layers: Mapping[str, Layer], inputs: Sequence[Shape | None]) -> Shapes:
    """Return the shape of every slot from those of the inputs; sizes of None are not known.

    Raises
    ------
    ShapeError
        With the path of the node where shapes do not fit.
    """
    return _Inference(plan, layers).run(list(inputs))


class _Inference:
    """Infers one plan."""

    def __init__(self, plan: Plan, layers: Mapping[str, Layer]) -> None:
        self.plan = plan
        self.layers = layers
        self.shapes: list[Shape | None] = [None] * plan.slot_count
        self.lengths: list[int | None] = [None] * plan.slot_count
        self.cells: dict[str, Shapes] = {}
        self.single: set[str] = set()

    def run(self, inputs: list[Shape | None]) -> Shapes:
        for i, shape in enumerate(inputs):
            self.shapes[i] = shape
            self.lengths[i] = i if shape is not None and ragged(shape) else None
        for step in self.plan.steps:
            try:
                if isinstance(step, Call):
                    self.call(step)
                else:
                    self.loop(step)
            except GraphnetError as error:
                error.about(step.path)
                raise
        self.check_nested_inputs()
        return Shapes(tuple(self.shapes), tuple(self.lengths), self.cells, frozenset(self.single))

    def check_nested_inputs(self) -> None:
        """Raise ShapeError for values whose axes contradict the declared inputs of a nested graph."""
        for path, slot, declared in self.plan.nested_inputs:
            shape = self.shapes[slot]
            if shape is not None and shape.rank == declared.rank and not aligned([declared, shape]):
                raise ShapeError(
                    "the axes differ from those that the nested graph declares",
                    where=path,
                    expected=str(declared),
                    received=str(shape),
                    remedy="Declare both in one order.",
                    subject=path,
                )

    def shape(self, slot: int | None, path: str) -> Shape:
        shape = None if slot is None else self.shapes[slot]
        if shape is None:
            raise ShapeError(
                "the shape of an input is not known",
                where=path,
                remedy="Declare the input's axes, such as 'batch, feature=4'.",
            )
        return shape

    def argument(self, slot: int | None, path: str, position: int, ports: Ports) -> Shape | None:
        """The shape of one argument; None for an optional one that is not connected."""
        optional = position < len(ports.names) and ports.names[position] in ports.optional
        if optional and (slot is None or self.shapes[slot] is None):
            return None
        return self.shape(slot, path)

    def call(self, step: Call) -> None:
        """Infer the outputs of a layer."""
        layer = self.layers[step.layer]
        ports = layer.input_ports()
        arguments = [self.argument(slot, step.path, i, ports) for i, slot in enumerate(step.inputs)]
        try:
            result = layer.infer(*arguments)  # None only for optional inputs
        except GraphnetError as error:
            raise error.at(step.path) from None
        except Exception as error:
            error.add_note(f"raised by infer of node {step.path}, {layer!r}")
            raise
        named = has_declared_names(arguments)
        origins = [self.lengths[slot] for slot in step.inputs if slot is not None]
        origin = next((o for o in origins if o is not None), None)
        for slot, shape in zip(step.outputs, _checked(step, result), strict=True):
            self.shapes[slot] = shape if named or not shape.declared else replace(shape, declared=False)
            self.lengths[slot] = origin if ragged(shape) else None

    def loop(self, step: Loop) -> None:
        """Infer the outputs of a Scan."""
        inference = ScanInference(
            step,
            [self.shape(slot, step.path) for slot in step.sequences],
            [None if slot is None else self.shapes[slot] for slot in step.initial],
            [self.shape(slot, step.path) for slot in step.contexts],
            lambda inputs: infer(step.cell, self.layers, inputs),
        )
        scan = inference.run()
        self.cells[step.path] = scan.cell
        if scan.single:
            self.single.add(step.path)
        origin = next((self.lengths[s] for s in step.sequences if self.lengths[s] is not None), None)
        for slot in step.outputs:
            self.lengths[slot] = origin
        for slot, shape in zip((*step.outputs, *step.finals), scan.outputs, strict=True):
            self.shapes[slot] = shape


def _checked(step: Call, result: object) -> Sequence[Shape]:
    """The shapes that a layer's ``infer`` returned, one for each output."""
    outputs = (result,) if isinstance(result, Shape) else result
    if not isinstance(outputs, (tuple, list)) or not all(isinstance(shape, Shape) for shape in outputs):
        raise RuleError(
            "infer returned a value that is not a Shape",
            where=step.path,
            expected="a Shape, or a tuple of them, one for each output",
            received=repr(result)[:200],
        )
    if len(outputs) != len(step.outputs):
        raise RuleError(
            "infer returned the wrong number of shapes",
            where=step.path,
            expected=len(step.outputs),
            received=len(outputs),
        )
    return outputs


def ragged(shape: Shape) -> bool:
    """Return whether the rows of a value may differ in length: its first two axes are time and batch."""
    return shape.rank >= 2 and shape.names[:2] == (TIME, BATCH)
