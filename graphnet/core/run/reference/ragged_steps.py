"""Runs the steps of a plan on a batch whose rows differ in length.

Each step gets its inputs in the form that it requires beyond the rows' ends (see ``ends.py``), and what it returns
there is discarded: outputs by the step that reads them, errors here. Both by selection; nothing is multiplied by zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ShapeError
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.region import BoundRegion
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.slot_values import SlotValues
from graphnet.core.run.reference.step_independence import StepIndependence
from graphnet.core.run.row_masks import Rows, add

#: Saved for a step that did not run, because no row has a step.
NOT_RUN = object()


class RaggedStep:
    """One step, or a region that runs as one.

    Parameters
    ----------
    step : BoundCall, BoundScan, BoundLoop or BoundRegion
    inputs : sequence of int
        The slots whose steps over time it reads together.
    whole : sequence of int
        Slots with row lengths that it reads whole: contexts of a Scan.
    rows : sequence of int
        Slots without a time axis of their own, of which it reads one entry for each row of the others.
    outputs : sequence of int
    """

    def __init__(
        self,
        step: Any,
        shapes: Shapes,
        options: BindOptions,
        inputs: Sequence[int],
        outputs: Sequence[int],
        whole: Sequence[int] = (),
        rows: Sequence[int] = (),
    ) -> None:
        self.step, self.shapes, self.options = step, shapes, options
        self.inputs = [i for i in dict.fromkeys(inputs) if shapes.lengths[i] is not None]
        self.whole = [i for i in dict.fromkeys(whole) if shapes.lengths[i] is not None]
        self.rows = [i for i in dict.fromkeys(rows) if shapes.lengths[i] is None and shapes.slots[i] is not None]
        self.outputs = outputs
        self.origin = next((shapes.lengths[i] for i in self.inputs), None)
        self.rank = max((len(shapes.slots[i] or ()) for i in self.inputs), default=0)

    # ------------------------------------------------------------------ what a kind of step decides
    def wanted(self, values: SlotValues, ends: RowEnds) -> Padding:
        """The form in which it requires its inputs."""
        raise NotImplementedError

    def made(self, wanted: Padding) -> Padding:
        """The form of its outputs for inputs of the form ``wanted``."""
        raise NotImplementedError

    def discards(self, wanted: Padding) -> bool:
        """Whether the errors that it returns may be other than zero beyond the rows' ends."""
        return False

    # ------------------------------------------------------------------ running
    def forward(self, values: SlotValues, run: RunContext) -> Any:
        """Run it on converted inputs; what the backward pass needs."""
        ends = run.ends_at(self.origin)
        if ends is None and all(values.ends(i) is None for i in (*self.inputs, *self.whole)):
            return self.step.forward(values.slots, run), None
        if ends is not None:
            self.check(ends)
            if ends.none and self.skips():
                return self.without_steps(values, run)
        wanted = Padding.ZEROS if ends is None or ends.none else self.wanted(values, ends)
        saved = self.converted(values, wanted, ends, run)
        for slot in self.outputs:
            values.forms[slot] = self.made(wanted)
        return saved, wanted

    def converted(self, values: SlotValues, wanted: Padding, ends: RowEnds | None, run: RunContext) -> Any:
        """Run it with its inputs in the form ``wanted``; the slots are left as they were."""
        slots = values.slots
        given = {i: values.get(i, wanted, ends) for i in self.inputs}
        given |= {i: values.get(i, Padding.ZEROS, values.ends(i)) for i in self.whole}
        if wanted is Padding.REPEATED and ends is not None:
            given |= {i: ends.lent(slots[i], self.shapes.slots[i], self.rank) for i in self.rows}
        kept = {slot: slots[slot] for slot in given}
        for slot, array in given.items():
            slots[slot] = array
        try:
            return self.step.forward(slots, run)
        finally:
            for slot, array in kept.items():
                slots[slot] = array

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of its inputs, zero beyond the rows' ends, and to the gradients."""
        if saved is NOT_RUN:
            return
        kept, wanted = saved
        self.step.backward(kept, errors, run, rows)
        if wanted is None:
            return
        ends = run.ends_at(self.origin)
        for slot in self.inputs:
            own = run.ends_at(self.shapes.lengths[slot])
            if own is not None and errors[slot] is not None and (own is not ends or self.discards(wanted)):
                errors[slot] = own.zeroed(errors[slot])

    # ------------------------------------------------------------------ without a single step
    def skips(self) -> bool:
        """Whether it need not run where no row has a step: nothing that it makes lasts longer than the rows."""
        return all(self.shapes.lengths[slot] is not None for slot in self.outputs)

    def without_steps(self, values: SlotValues, run: RunContext) -> Any:
        """Zeros as outputs."""
        for slot in self.outputs:
            values.slots[slot] = self.zeros(slot)
        return NOT_RUN

    def zeros(self, slot: int) -> Array:
        """Zeros of a slot's shape."""
        shape = self.shapes.slots[slot]
        return np.zeros([n or 0 for n in shape or ()], self.options.dtype)

    # ------------------------------------------------------------------ shapes
    def check(self, ends: RowEnds) -> None:
        """Refuse outputs with another number of steps than the inputs: where their rows end is not known.

        Raises
        ------
        ShapeError
        """
        for slot in self.outputs:
            shape = self.shapes.slots[slot]
            if shape is not None and self.shapes.lengths[slot] is not None and shape.sizes[0] != ends.steps:
                raise ShapeError(
                    "a layer that changes the number of steps does not say where rows of different lengths end",
                    where=self.path,
                    expected=f"{ends.steps} steps, as in its input",
                    received=str(shape),
                    remedy="Give its output another name for the time axis, or run rows of equal length.",
                )

    @property
    def path(self) -> str:
        """The node's path, for errors."""
        return str(self.step.step.path)


class RaggedCall(RaggedStep):
    """A single layer."""

    def __init__(self, call: BoundCall, shapes: Shapes, options: BindOptions) -> None:
        given = [i for i in call.inputs if i is not None]
        super().__init__(call, shapes, options, given, call.outputs, rows=given)
        self.independence = StepIndependence(call, shapes, options)

    def wanted(self, values: SlotValues, ends: RowEnds) -> Padding:
        def arguments(form: Padding) -> list[Any]:
            return [self.argument(i, values, form, ends) for i in self.step.inputs]

        return self.independence.form(ends, arguments)

    def argument(self, slot: int | None, values: SlotValues, wanted: Padding, ends: RowEnds) -> Any:
        """One argument of the layer, in a form."""
        if slot is None:
            return None
        return values.get(slot, wanted, ends) if slot in self.inputs else values.slots[slot]

    def made(self, wanted: Padding) -> Padding:
        return wanted if self.independence.known and wanted is not Padding.ZEROS else Padding.ANY

    def discards(self, wanted: Padding) -> bool:
        return not self.independence.known or wanted is Padding.ZEROS


class RaggedScan(RaggedStep):
    """A Scan: its outputs, and the errors that it returns, are zero beyond the rows' ends."""

    def __init__(self, scan: Any, shapes: Shapes, options: BindOptions) -> None:
        step = scan.step
        super().__init__(scan, shapes, options, step.sequences, step.outputs, step.contexts)

    def wanted(self, values: SlotValues, ends: RowEnds) -> Padding:
        return self.step.requires()  # type: ignore[no-any-return]

    def made(self, wanted: Padding) -> Padding:
        return Padding.ZEROS

    def skips(self) -> bool:
        return True

    def without_steps(self, values: SlotValues, run: RunContext) -> Any:
        """Final states that are the initial ones."""
        super().without_steps(values, run)
        step = self.step.step
        for name, initial, final in zip(step.states, step.initial, step.finals, strict=True):
            state = None if initial is None else values.slots[initial]
            if run.carried is not None:
                state = run.carried.enter(f"{step.path}/{name}", state, self.options.dtype)
            values.slots[final] = self.zeros(final) if state is None else np.array(state)
            if run.carried is not None:
                run.carried.leave(f"{step.path}/{name}", values.slots[final])
        return NOT_RUN

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        if saved is not NOT_RUN:
            super().backward(saved, errors, run, rows)
            return
        step = self.step.step
        for name, initial, final in zip(step.states, step.initial, step.finals, strict=True):
            error = errors[final]
            if error is not None and run.carried is not None:
                error = run.carried.pulled(f"{step.path}/{name}", error)
            if error is not None and initial is not None:
                add(errors, initial, error)


class RaggedRegion(RaggedStep):
    """Neighbouring nodes: as one program where all rows end alike, else one by one."""

    def __init__(self, region: BoundRegion, shapes: Shapes, options: BindOptions) -> None:
        super().__init__(region, shapes, options, region.inputs, region.outputs, rows=region.inputs)
        self.calls = [RaggedCall(call, shapes, options) for call in region.calls]
        slots = (*region.inputs, *region.outputs)
        self.origins = {shapes.lengths[slot] for slot in slots}
        self.flat = any(shapes.lengths[i] is not None and len(shapes.slots[i] or ()) < 3 for i in slots)

    def forward(self, values: SlotValues, run: RunContext) -> Any:
        if self.alike(run):
            return super().forward(values, run)
        for call in self.calls:
            call.step.start(run)
        return [call.forward(values, run) for call in self.calls]

    def alike(self, run: RunContext) -> bool:
        """Whether the program can run: it exists, and all values have the same ends."""
        found = {id(run.ends_at(origin)) for origin in self.origins}
        return self.step.made[run.keep] is not None and len(found) == 1 and not self.flat

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        if not isinstance(saved, list):
            super().backward(saved, errors, run, rows)
            return
        for call, kept in zip(reversed(self.calls), reversed(saved), strict=True):
            call.backward(kept, errors, run, rows)

    def wanted(self, values: SlotValues, ends: RowEnds) -> Padding:
        program = self.step.made[values.run.keep]
        return Padding.REPEATED if program.program.may_be_nonfinite else Padding.FINITE

    def made(self, wanted: Padding) -> Padding:
        return wanted

    @property
    def path(self) -> str:
        return str(self.step.steps[0].path)


def padded(step: Any, shapes: Shapes, options: BindOptions) -> RaggedStep:
    """A bound step of a plan, for passes in which rows end early."""
    if isinstance(step, BoundCall):
        return RaggedCall(step, shapes, options)
    if isinstance(step, BoundRegion):
        return RaggedRegion(step, shapes, options)
    return RaggedScan(step, shapes, options)
