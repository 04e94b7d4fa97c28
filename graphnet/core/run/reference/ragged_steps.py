"""Runs the steps of a plan on a batch whose rows differ in length.

Each step gets its inputs with the padding that it requires (see :mod:`graphnet.core.run.padding`). What it returns
beyond the rows' ends is discarded: outputs by the step that reads them, errors here. Both are selected, not multiplied
by zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ShapeError
from graphnet.core.phase import Phase
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.skipped_draws import skip_draws
from graphnet.core.run.reference.slot_values import SlotValues
from graphnet.core.run.reference.step_independence import StepIndependence
from graphnet.core.run.row_masks import Rows, add

#: Saved for a step that did not run, because no row has a step.
NOT_RUN = object()


class RaggedStep:
    """A bound step, for passes in which rows end early.

    Parameters
    ----------
    step : bound step
    inputs : sequence of int
        The slots whose steps over time it reads together.
    outputs : sequence of int
    whole : sequence of int
        Slots with row lengths that it reads whole: contexts of a Scan.
    rows : sequence of int
        Slots without a time axis, of which it reads one entry for each row of the others.
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
        #: Whether the numbers of steps of its outputs have been checked, which are the same in every pass.
        self.checked = False

    # ------------------------------------------------------------------ decided by each kind of step
    def required_padding(self, values: SlotValues, ends: RowEnds) -> Padding:
        """The padding that it requires of its inputs."""
        raise NotImplementedError

    def output_padding(self, padding: Padding) -> Padding:
        """The padding of its outputs for inputs with this one."""
        raise NotImplementedError

    def errors_need_masking(self, padding: Padding) -> bool:
        """Whether the errors that it returns may be nonzero beyond the rows' ends."""
        return False

    # ------------------------------------------------------------------ running
    def forward(self, values: SlotValues, run: RunContext) -> Any:
        """Run it on converted inputs; returns the values saved for backward."""
        ends = run.ends_at(self.origin)
        if ends is None and all(values.ends(i) is None for i in (*self.inputs, *self.whole)):
            self.prepare(Padding.ANY)
            return self.step.forward(values.slots, run), None
        if ends is not None:
            if not self.checked:
                self.check(ends)
                self.checked = True
            # A statistic of the whole batch needs every process.
            if ends.none and self.may_be_skipped() and collective.statistics() is None:
                if ends.longest and self.options.phase is Phase.train:
                    skip_draws(*self.drawing(), run.generator, ends.longest)
                return self.skip(values, run)
        padding = Padding.ZEROS if ends is None or ends.none else self.required_padding(values, ends)
        self.prepare(padding)
        if ends is not None and self.converted(values, padding, ends):
            saved = self.step.forward(values.slots, run)
        else:
            saved = self.forward_converted(values, padding, ends, run)
        present = self.output_padding(padding)
        for slot in self.outputs:
            values.padding[slot] = present
        return saved, padding

    def converted(self, values: SlotValues, padding: Padding, ends: RowEnds) -> bool:
        """Whether all its inputs are as it requires them."""
        if self.whole or (self.rows and padding is Padding.REPEATED):
            return False
        every, origins, known = values.run.ends, self.shapes.lengths, values.padding
        for slot in self.inputs:
            if every[origins[slot]] is not ends:  # type: ignore[index]
                return False
            present = known.get(slot, Padding.ZEROS)
            if present is not padding and not present.serves(padding):
                return False
        return True

    def prepare(self, padding: Padding) -> None:
        """Let the step know the padding of its inputs."""

    def forward_converted(self, values: SlotValues, padding: Padding, ends: RowEnds | None, run: RunContext) -> Any:
        """Run it with this padding of its inputs; the slots of the inputs are restored afterwards."""
        slots = values.slots
        before: dict[int, Any] = {}
        try:
            for i in self.inputs:
                _put(slots, i, values.get(i, padding, ends), before)
            for i in self.whole:
                _put(slots, i, values.get(i, Padding.ZEROS, values.ends(i)), before)
            if self.rows and padding is Padding.REPEATED and ends is not None:
                for i in self.rows:
                    _put(slots, i, ends.lent(slots[i], self.shapes.slots[i], self.rank), before)
            return self.step.forward(slots, run)
        finally:
            for slot, array in before.items():
                slots[slot] = array

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of its inputs, zero beyond the rows' ends, and to the gradients."""
        if saved is NOT_RUN:
            return
        step_saved, padding = saved
        self.step.backward(step_saved, errors, run, rows)
        if padding is None:
            return
        ends = run.ends_at(self.origin)
        for slot in self.inputs:
            if errors[slot] is None:
                continue
            own = run.ends_at(self.shapes.lengths[slot])
            if own is not None and (own is not ends or self.errors_need_masking(padding)):
                errors[slot] = own.zeroed(errors[slot])

    # ------------------------------------------------------------------ without a single step
    def may_be_skipped(self) -> bool:
        """Whether it need not run where no row has a step: all its outputs have row lengths."""
        return all(self.shapes.lengths[slot] is not None for slot in self.outputs)

    def skip(self, values: SlotValues, run: RunContext) -> Any:
        """Fill the outputs with zeros."""
        for slot in self.outputs:
            values.slots[slot] = self.zeros(slot)
        return NOT_RUN

    def drawing(self) -> tuple[Iterable[Call | Loop], Mapping[str, Layer], Shapes]:
        """The steps of the plan that it runs, their layers and their shapes."""
        return [self.step.step], self.options.layers, self.shapes

    def zeros(self, slot: int) -> Array:
        """Zeros of a slot's shape."""
        shape = self.shapes.slots[slot]
        return np.zeros([n or 0 for n in shape or ()], self.options.dtype)

    # ------------------------------------------------------------------ shapes
    def check(self, ends: RowEnds) -> None:
        """Raise for outputs with another number of steps than the inputs, because their row lengths are unknown.

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
        inputs = [i for i in call.inputs if i is not None]
        super().__init__(call, shapes, options, inputs, call.outputs, rows=inputs)
        self.independence = StepIndependence(call, shapes, options)

    def required_padding(self, values: SlotValues, ends: RowEnds) -> Padding:
        known = self.independence.decided
        if known is not None:
            return known

        def arguments(padding: Padding) -> list[Any]:
            return [self.argument(i, values, padding, ends) for i in self.step.inputs]

        return self.independence.required(ends, arguments)

    def prepare(self, padding: Padding) -> None:
        self.step.repeats_draws = padding is not Padding.FINITE

    def argument(self, slot: int | None, values: SlotValues, padding: Padding, ends: RowEnds) -> Any:
        """One argument of the layer, with a padding."""
        if slot is None:
            return None
        return values.get(slot, padding, ends) if slot in self.inputs else values.slots[slot]

    def output_padding(self, padding: Padding) -> Padding:
        return padding if self.independence.known and padding is not Padding.ZEROS else Padding.ANY

    def errors_need_masking(self, padding: Padding) -> bool:
        return not self.independence.known or padding is Padding.ZEROS


class RaggedScan(RaggedStep):
    """A Scan: its outputs, and the errors that it returns, are zero beyond the rows' ends."""

    def __init__(self, scan: Any, shapes: Shapes, options: BindOptions) -> None:
        step = scan.step
        super().__init__(scan, shapes, options, step.sequences, step.outputs, step.contexts)

    def required_padding(self, values: SlotValues, ends: RowEnds) -> Padding:
        return self.step.required_padding()  # type: ignore[no-any-return]

    def output_padding(self, padding: Padding) -> Padding:
        return Padding.ZEROS

    def may_be_skipped(self) -> bool:
        return True

    def skip(self, values: SlotValues, run: RunContext) -> Any:
        """Fill the outputs with zeros, and the final states with the initial ones."""
        super().skip(values, run)
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


def _put(slots: list[Any], slot: int, array: Any, before: dict[int, Any]) -> None:
    """Replace a value that was converted; ``before`` keeps the one that was there."""
    if array is not slots[slot]:
        before.setdefault(slot, slots[slot])
        slots[slot] = array
