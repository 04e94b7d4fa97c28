"""The bound steps of the reference backend, with a record of what they compute that is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.observed.codes import Codes, codes_of
from graphnet.core.run.observed.record import KEPT, BackwardCall, Record
from graphnet.core.run.padding import RowEnds
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.call_trace import untraceable
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.reference.plan import BoundPlan
from graphnet.core.run.reference.steps import BoundSteps
from graphnet.core.run.row_masks import Rows, both


class ObservingBackend:
    """The reference backend, which notes what is not finite in a record."""

    def __init__(self) -> None:
        self.record = Record()

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> Any:
        """Bind a plan; see :class:`graphnet.core.run.backends.Backend`."""
        return ObservedPlan(plan, shapes, replace(options, compiled=False), wanted, self.record)


def _codes(array: Any, shape: Shape | None, ends: RowEnds | None) -> Codes | None:
    """The codes of an array, without what lies beyond the ends of its rows."""
    codes = codes_of(array, shape)
    if codes is None or ends is None or codes.shape != ends.beyond.shape:
        return codes
    codes = np.where(ends.beyond, np.uint8(0), codes)
    return codes if codes.any() else None


class ObservedCall(BoundCall):
    """A layer that is observed."""

    def __init__(self, step: Call, shapes: Shapes, options: BindOptions, wanted: bool, record: Record) -> None:
        super().__init__(step, shapes, options, wanted)
        self.record, self.origins = record, shapes.lengths
        self.shapes, self.options = shapes, options
        self.saved: Any = None
        self.error: Any = None
        record.bound[step.path] = self

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Run it, and note which outputs are not finite."""
        record, path = self.record, self.step.path
        number = record.next()
        saved = super().forward(slots, run)
        outputs = [self.codes(slot, slots[slot], i, run) for i, slot in enumerate(self.outputs)]
        for slot, codes in zip(self.outputs, outputs, strict=True):
            record.note(record.values, slot, codes)
        if any(codes is not None for codes in outputs):
            record.forward_order[record.scope, path] = number
        union = _union(outputs)
        for position, slot in enumerate(self.inputs):
            if slot is not None:
                codes = _codes(slots[slot], self.input_shapes[position], run.ends_at(self.origins[slot]))
                if codes is not None:
                    record.tolerate(path, position, record.in_live_rows(codes), union)
        return saved

    def mixing(self) -> tuple[bool, bool]:
        """Whether it may compute a step from other steps, and a row from other rows."""
        layer = self.layer
        if layer.elementwise is True or layer.rowwise is True:
            return False, False
        needs = [True] * len(self.shapes.slots)
        alone = untraceable(self.step, self.shapes, self.options, needs) is None
        return not alone, not alone

    def codes(self, slot: int, array: Any, output: int, run: RunContext) -> Codes | None:
        """The codes of an output, or of its error."""
        return _codes(array, self.output_shapes[output], run.ends_at(self.origins[slot]))

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Run it backward, and note which errors and gradients are not finite."""
        record, event = self.record, (self.record.scope, self.step.path)
        for i, slot in enumerate(self.outputs):
            if errors[slot] is not None:
                record.note(record.errors, slot, self.codes(slot, errors[slot], i, run))
        number, self.saved, self.run = record.next(), saved, run
        super().backward(saved, errors, run, rows)
        if event in record.pulled or event in record.gradients:
            record.backward_order[event] = number
        self.saved = self.error = None

    def counted(self, error: Any, rows: Rows) -> Any:
        """Note where the error that gradients are computed from is not finite."""
        error = self.error = super().counted(error, rows)
        parts = error if self.several else (error,)
        codes = _union([self.codes(slot, parts[i], i, self.run) for i, slot in enumerate(self.outputs)])
        if codes is not None:
            self.record.counted[self.record.scope, self.step.path] = self.record.in_live_rows(codes)
        return error

    def collect(self, gradients: dict[str, Any], run: RunContext) -> None:
        """Note which gradients are not finite."""
        bad = {name: ~np.isfinite(g) for name, g in gradients.items() if not np.isfinite(g).all()}
        if bad:
            record, event = self.record, (self.record.scope, self.step.path)
            record.gradients[event] = bad
            if event not in record.counted and len(record.calls) < KEPT:
                record.calls[event] = BackwardCall(self, self.saved, self.error)
        super().collect(gradients, run)

    def add_input_errors(self, pulled: Any, errors: list[Any]) -> None:
        """Note which errors of inputs are not finite."""
        parts = self.ports.for_given(pulled, len(self.inputs))
        codes: list[Codes | None] = []
        for slot, array, shape in zip(self.inputs, parts, self.input_shapes, strict=True):
            ends = None if slot is None else self.run.ends_at(self.origins[slot])
            each = None if slot is None or array is None else _codes(array, shape, ends)
            codes.append(None if each is None else self.record.in_live_rows(each))
        if any(each is not None for each in codes):
            self.record.pulled[self.record.scope, self.step.path] = codes
        super().add_input_errors(pulled, errors)


def _union(parts: list[Codes | None]) -> Codes | None:
    """All codes together, where they have the same axes; else the first ones."""
    found = [codes for codes in parts if codes is not None]
    if not found:
        return None
    union = found[0]
    for codes in found[1:]:
        union = union | codes if codes.shape == union.shape else union
    return union


class ObservedSteps(BoundSteps):
    """The steps of a cell that is observed."""

    def __init__(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool], record: Record) -> None:
        self.record = record
        super().__init__(plan, shapes, options, wanted, _loop_binder(record))

    def bind_call(self, step: Call, wanted: bool) -> BoundCall:
        """Bind a layer."""
        return ObservedCall(step, self.shapes, self.options, wanted, self.record)


class ObservedPlan(BoundPlan):
    """A whole plan that is observed."""

    def __init__(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool], record: Record) -> None:
        self.record = record
        super().__init__(plan, shapes, options, wanted, _loop_binder(record))

    def bind_call(self, step: Call, wanted: bool) -> BoundCall:
        """Bind a layer."""
        return ObservedCall(step, self.shapes, self.options, wanted, self.record)

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """Run all steps, and note which inputs are not finite."""
        self.record.clear()
        for slot in range(len(self.plan.inputs)):
            if slots[slot] is not None:
                self.record.note(self.record.values, slot, codes_of(slots[slot], self.shapes.slots[slot]))
        return super().forward(slots, run)

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows = None) -> None:
        """Run all steps backward, and note which errors of outputs are not finite."""
        self.record.clear_backward()
        for _, slot in self.plan.outputs:
            if errors[slot] is not None:
                self.record.note(self.record.errors, slot, codes_of(errors[slot], self.shapes.slots[slot]))
        super().backward(tape, errors, run, rows)


def _loop_binder(record: Record) -> Any:
    def bind(step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> ObservedLoop:
        return ObservedLoop(step, shapes, options, wanted, record)

    return bind


class ObservedBody(ObservedSteps):
    """The cell of a Scan that is observed: knows which of its steps is running."""

    steps_left: Iterator[tuple[int, Rows]]

    def __init__(self, path: str, inputs: int, *arguments: Any) -> None:
        self.path, self.inputs = path, inputs
        super().__init__(*arguments)

    @contextmanager
    def within(self) -> Iterator[None]:
        """Enter the next step."""
        record = self.record
        outer = record.scope, record.live
        t, live = next(self.steps_left)
        record.scope, record.live = (*record.scope, (self.path, t)), both(record.live, live)
        try:
            yield
        finally:
            record.scope, record.live = outer

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """Run one step, and note which of the values that it reads are not finite."""
        with self.within():
            for slot in range(self.inputs):
                if slots[slot] is not None:
                    self.record.note(self.record.values, slot, codes_of(slots[slot], self.shapes.slots[slot]))
            return super().forward(slots, run)

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows = None) -> None:
        """Run one step backward, and note which errors of the values that it has read are not finite."""
        with self.within():
            super().backward(tape, errors, run, rows)
            for slot in range(self.inputs):
                if errors[slot] is not None:
                    self.record.note(self.record.errors, slot, codes_of(errors[slot], self.shapes.slots[slot]))


class ObservedLoop(BoundLoop):
    """A Scan that is observed."""

    body: ObservedBody

    def __init__(self, step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool], record: Record) -> None:
        self.record = record
        self.outer, self.origins = shapes.slots, shapes.lengths
        super().__init__(step, shapes, options, wanted)

    def bind_body(self, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> BoundSteps:
        """Bind the plan of the cell."""
        return ObservedBody(self.step.path, len(wanted), self.step.cell, shapes, options, wanted, self.record)

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Run it, and note which outputs and final states are not finite."""
        record, step = self.record, self.step
        sequence = slots[step.sequences[0]]
        ends = run.ends_at(self.origin)
        live = [None] * len(sequence) if ends is None else _live(ends)
        executed = [(t, live[t]) for t in self.order(len(sequence)) if live[t] is not False]
        record.loops[record.scope, step.path] = executed
        if self.single:
            record.single.add(step.path)
        self.body.steps_left = iter(executed)
        saved = super().forward(slots, run)
        for slot in (*step.outputs, *step.finals):
            record.note(record.values, slot, _codes(slots[slot], self.outer[slot], run.ends_at(self.origins[slot])))
        return saved

    def run_backward(
        self, saved: Any, output_errors: list[Any], carried: list[Any], run: RunContext, rows: Rows
    ) -> list[Any]:
        """Run it backward, and note which errors of outputs and final states are not finite."""
        record, step = self.record, self.step
        for slot, error in zip((*step.outputs, *step.finals), (*output_errors, *carried), strict=True):
            if error is not None:
                shown = error[:, 0] if self.single and slot in step.outputs else error
                record.note(record.errors, slot, _codes(shown, self.outer[slot], run.ends_at(self.origins[slot])))
        self.body.steps_left = iter(reversed(record.loops[record.scope, step.path]))
        return super().run_backward(saved, output_errors, carried, run, rows)


def _live(ends: RowEnds) -> list[Rows]:
    """The rows that have not ended, for each step; False where all have."""
    rows = ~ends.beyond
    return [None if r.all() else r if r.any() else False for r in rows]
