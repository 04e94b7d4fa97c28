"""Neighbouring nodes on a batch whose rows differ in length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop
from graphnet.core.describe.layer import Layer
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.region import BoundRegion
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.reference.ragged_steps import RaggedCall, RaggedStep
from graphnet.core.run.reference.slot_values import SlotValues
from graphnet.core.run.row_masks import Rows


class RaggedRegion(RaggedStep):
    """A region: runs its program where all rows end alike, else node by node."""

    def __init__(self, region: BoundRegion, shapes: Shapes, options: BindOptions) -> None:
        super().__init__(region, shapes, options, region.inputs, region.outputs, rows=region.inputs)
        self.calls = [RaggedCall(call, shapes, options) for call in region.calls]
        slots = (*region.inputs, *region.outputs)
        self.origins = {shapes.lengths[slot] for slot in slots}
        self.flat = any(shapes.lengths[i] is not None and len(shapes.slots[i] or ()) < 3 for i in slots)

    def forward(self, values: SlotValues, run: RunContext) -> Any:
        if self.runs_program(run):
            return super().forward(values, run)
        for call in self.calls:
            call.step.start(run)
        return [call.forward(values, run) for call in self.calls]

    def runs_program(self, run: RunContext) -> bool:
        """Whether there is a program, and all values have the same row ends."""
        ends = {id(run.ends_at(origin)) for origin in self.origins}
        return self.step.programs[run.keep] is not None and len(ends) == 1 and not self.flat

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        if not isinstance(saved, list):
            super().backward(saved, errors, run, rows)
            return
        for call, call_saved in zip(reversed(self.calls), reversed(saved), strict=True):
            call.backward(call_saved, errors, run, rows)

    def required_padding(self, values: SlotValues, ends: RowEnds) -> Padding:
        bound = self.step.programs[values.run.keep]
        return Padding.REPEATED if bound.program.may_be_nonfinite else Padding.FINITE

    def prepare(self, padding: Padding) -> None:
        self.step.repeats_draws = padding is not Padding.FINITE

    def output_padding(self, padding: Padding) -> Padding:
        return padding

    def drawing(self) -> tuple[Iterable[Call | Loop], Mapping[str, Layer], Shapes]:
        return self.step.plan.steps, self.options.layers, self.step.shapes

    @property
    def path(self) -> str:
        return str(self.step.steps[0].path)
