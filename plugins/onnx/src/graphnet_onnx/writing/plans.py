"""The steps of a plan as nodes: calls of functions, and Scans."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.describe.shapes import Shape
from graphnet_onnx.writing.file import OnnxFile
from graphnet_onnx.writing.recording import Use
from graphnet_onnx.writing.scope import Scope


class PlanWriter:
    """Writes one plan: that of the graph, or of a cell.

    Parameters
    ----------
    file : OnnxFile
    plan : Plan
    shapes : (Shapes, Shapes)
        At two choices of the free sizes.
    scope : Scope
        Gets the nodes.
    values : dict of int to str
        The names of the values of the plan's inputs that are connected, by slot.
    lengths : mapping of int to str
        The lengths of the rows of inputs, by slot.
    integers : set of int
        Slots that hold integers.
    write_loop : callable
        Writes a Scan.
    """

    def __init__(
        self,
        file: OnnxFile,
        plan: Plan,
        shapes: tuple[Shapes, Shapes],
        scope: Scope,
        values: dict[int, str],
        lengths: Mapping[int, str],
        integers: set[int],
        write_loop: Callable[[PlanWriter, Loop], None],
    ) -> None:
        self.write_loop = write_loop
        self.file, self.plan, self.shapes, self.scope = file, plan, shapes, scope
        self.values, self.lengths, self.integers = values, lengths, integers
        #: Slots whose steps beyond the rows' ends are zero.
        self.zeroed: dict[int, str] = {}
        self.reserved: set[str] = set()
        #: The inputs of the file that hold the initial states of Scans, by path and number.
        self.initial: dict[tuple[str, int], str] = {}
        self._masks: dict[int, str] = {}
        self._counts: dict[str, int] = {}

    def pair(self, slot: int) -> tuple[Shape, Shape]:
        """The two shapes of a slot."""
        first, second = (shapes.slots[slot] for shapes in self.shapes)
        assert first is not None
        assert second is not None
        return first, second

    def name(self, slot: int) -> str:
        """The name of the value of a slot: the path of its node."""
        path = self.plan.slot_paths[slot]
        return f"{path}:value" if path in self.reserved else path

    def made(self, hint: str) -> str:
        """The name of a value that no node of the graph has."""
        count = self._counts[hint] = self._counts.get(hint, 0) + 1
        return hint if count == 1 else f"{hint}_{count}"

    def write(self) -> None:
        """Write all steps in order."""
        for step in self.plan.steps:
            if isinstance(step, Loop):
                self.write_loop(self, step)
            else:
                self.call(step)

    # ------------------------------------------------------------------ layers
    def call(self, step: Call) -> None:
        """A call of the function of a layer."""
        layer = self.file.layers[step.layer]
        slots = [slot if slot is not None and slot in self.values else None for slot in step.inputs]
        origin = self.origin(slots[0])
        use = Use(
            step.path,
            layer,
            self.file.arrays.get(step.layer, {}),
            [None if slot is None else self.pair(slot) for slot in slots],
            [slot in self.integers for slot in slots],
            [self.pair(slot) for slot in step.outputs],
            origin is not None,
            self.file.dtype,
        )
        outputs = [self.name(slot) for slot in step.outputs]
        inputs = [self.masked(slot) for slot in slots if slot is not None]
        lengths = None if origin is None else self.lengths[origin]
        self.scope.nodes.append(self.file.call(use, inputs, step.layer, lengths, outputs))
        self.values.update(zip(step.outputs, outputs, strict=True))

    # ------------------------------------------------------------------ rows of different lengths
    def origin(self, slot: int | None) -> int | None:
        """The input whose row lengths apply to a slot, if the file knows them."""
        origin = None if slot is None else self.shapes[0].lengths[slot]
        return origin if origin in self.lengths else None

    def mask(self, origin: int) -> str:
        """Which (step, row) pairs are within the rows, (time, batch)."""
        if origin not in self._masks:
            scope, source = self.scope, self.values[origin]
            hint = f"{self.plan.slot_paths[origin]}:within"
            steps = scope.op("Squeeze", scope.op("Shape", source, start=0, end=1))
            numbers = scope.op("Range", scope.constant(0, np.int64), steps, scope.constant(1, np.int64))
            column = scope.op("Unsqueeze", numbers, scope.constant([1], np.int64))
            self._masks[origin] = self.made(hint)
            scope.node("Less", (column, self.lengths[origin]), (self._masks[origin],))
        return self._masks[origin]

    def masked(self, slot: int) -> str:
        """A value with zeros beyond the rows' ends; the value itself where the file does not know them."""
        origin = self.origin(slot)
        if origin is None:
            return self.values[slot]
        if slot not in self.zeroed:
            scope, rank = self.scope, self.pair(slot)[0].rank
            rows = self.mask(origin)
            if rank > 2:
                rows = scope.op("Unsqueeze", rows, scope.constant(list(range(2, rank)), np.int64))
            name = self.zeroed[slot] = self.made(f"{self.plan.slot_paths[slot]}:padded")
            zero = scope.constant(0, np.int64 if slot in self.integers else self.file.dtype)
            scope.node("Where", (rows, self.values[slot], zero), (name,))
        return self.zeroed[slot]
