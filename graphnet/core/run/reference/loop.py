"""A Scan node by node: the bound steps of its cell, run once for each time step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop
from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ShapeError
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.reference.steps import BoundSteps
from graphnet.core.run.row_masks import Rows, active, add, both, choose, counting, only
from graphnet.core.run.thread_policy import ThreadPolicy, combined


class BoundLoop:
    """A Scan, bound.

    The first slots of the cell hold one step of each sequence, then the states, then the contexts.
    """

    def __init__(self, step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> None:
        self.step, self.dtype = step, options.dtype
        self.single = step.path in shapes.single
        inner = shapes.cells[step.path]
        self.shapes = inner.slots
        self.sizes = [None if shape is None else tuple(n or 0 for n in shape) for shape in inner.slots]
        n, s = len(step.sequences), len(step.initial)
        self.states = range(n, n + s)
        self.contexts = range(n + s, n + s + len(step.contexts))
        needs = [wanted[i] for i in step.sequences] + [True] * s + [wanted[i] for i in step.contexts]
        self.body = self.bind_body(inner, options, needs)
        self.rest = [None] * (step.cell.slot_count - len(needs))
        self.emitted = [slot for _, slot in step.cell.outputs[: len(step.outputs)]]
        self.next = [slot for _, slot in step.cell.outputs[len(step.outputs) :]]
        self.ragged_contexts = [shapes.lengths[slot] for slot in step.contexts]
        self.context_shapes = [shapes.slots[slot] for slot in step.contexts]
        self.origin = next((o for o in (shapes.lengths[i] for i in step.sequences) if o is not None), None)
        self.keys = [f"{step.path}/{name}" for name in step.states]

    def bind_body(self, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> BoundSteps:
        """Bind the plan of the cell."""
        return BoundSteps(self.step.cell, shapes, options, wanted, bind_loop=BoundLoop)

    @staticmethod
    def required_padding() -> Padding:
        """The padding that it requires of sequences."""
        return Padding.REPEATED

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with."""
        return combined(self.dtype, self.body.policies(keep)).looped()

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole pass; in the cell, contexts keep the lengths of their rows."""
        contexts = [None if origin is None else run.lengths[origin] for origin in self.ragged_contexts]
        ends = run.ends_at(self.origin)
        if ends is not None:
            self.check_batch_axes()
            contexts = [None if counts is None else ends.lent(counts) for counts in contexts]
        steps_and_states: list[Array | None] = [None] * (len(self.step.sequences) + len(self.step.initial))
        self.inner = replace(run, lengths=[*steps_and_states, *contexts], carried=None, ends=None)
        self.body.start(self.inner)

    def check_batch_axes(self) -> None:
        """Where rows end early, check that the batch is axis 0 of every value that the cell reads or returns in a step.

        Raises
        ------
        ShapeError
            For a sequence, state or output of the cell whose batch is another axis.
        """
        for slot in (*range(len(self.step.sequences)), *self.states, *self.emitted):
            shape = self.shapes[slot]
            if shape is not None and BATCH in shape.names[1:]:
                raise ShapeError(
                    "rows of different lengths need the batch as axis 0 of each step's value",
                    where=f"{self.step.path}/{self.step.cell.slot_paths[slot]}",
                    expected="(batch, …)",
                    received=shape,
                    remedy="Give sequences of equal length, or reduce inner sequences inside the cell (Last).",
                )

    def order(self, steps: int) -> range:
        """The time steps in the order of processing."""
        return range(steps - 1, -1, -1) if self.step.reverse else range(steps)

    def zeros(self, slot: int, *leading: int) -> Array:
        """Zeros of the shape of a cell's slot, after leading axes."""
        return np.zeros((*leading, *(self.sizes[slot] or ())), self.dtype)

    # ------------------------------------------------------------------ forward
    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of outputs and final states; returns the values saved for backward."""
        step = self.step
        ends = run.ends_at(self.origin)
        lengths = None if ends is None else ends.lengths
        sequences = [list(slots[i][:, None] if self.single else self.sequence(slots[i], ends)) for i in step.sequences]
        steps = len(sequences[0])
        live = active(steps, lengths)
        states = self.initial(slots, run)
        outputs = [self.zeros(slot, steps) for slot in self.emitted]
        contexts = [slots[i] for i in step.contexts]
        if ends is None:
            tapes, states = self.run_whole(sequences, states, [*contexts, *self.rest], outputs, live, self.inner)
        else:
            rest = [*(ends.lent(c, shape) for c, shape in zip(contexts, self.context_shapes, strict=True)), *self.rest]
            read = [ends.lent(state) for state in states]
            tapes, states = self.run_ragged(sequences, states, read, rest, outputs, live, ends.longest)
        for slot, array in zip(step.outputs, outputs, strict=True):
            slots[slot] = array[:, 0] if self.single else array
        for slot, key, array in zip(step.finals, self.keys, states, strict=True):
            slots[slot] = array
            if run.carried is not None:
                run.carried.leave(key, array)
        return tapes, live, counting(steps, lengths, step.bptt_length, step.reverse), self.inner

    def run_whole(
        self,
        sequences: list[Any],
        states: list[Any],
        rest: list[Any],
        outputs: list[Any],
        live: list[Rows],
        run: RunContext,
    ) -> tuple[list[Any], list[Any]]:
        """Run all steps where no row ends early; returns the tapes of the steps and the final states."""
        tapes: list[Any] = [None] * len(live)
        emitted, after, body = self.emitted, self.next, self.body
        for t in self.order(len(live)):
            here = [x[t] for x in sequences] + states + rest
            tapes[t] = body.forward(here, run)
            for output, slot in zip(outputs, emitted, strict=True):
                output[t] = here[slot]
            states = [here[slot] for slot in after]
        return tapes, states

    def run_ragged(
        self,
        sequences: list[Any],
        states: list[Any],
        read: list[Any],
        rest: list[Any],
        outputs: list[Any],
        live: list[Rows],
        longest: int,
    ) -> tuple[list[Any], list[Any]]:
        """The same where rows end early: their states stay what they were, and their outputs are zero.

        A row that has ended, or in reverse has not begun, repeats its nearest valid step: the sequences hold copies of
        it, and ``read`` the states that the cell reads there.
        """
        tapes: list[Any] = [None] * len(live)
        for t in self.order(len(live)):
            rows = live[t]
            if rows is False:
                if t < longest:  # rows that another process computes have this step
                    self.body.skip_draws(self.inner)
                continue
            read = states if rows is None else [choose(rows, a, b) for a, b in zip(states, read, strict=True)]
            here = [x[t] for x in sequences] + read + rest
            tapes[t] = self.body.forward(here, self.inner)
            for output, slot in zip(outputs, self.emitted, strict=True):
                output[t] = here[slot] if rows is None else only(rows, here[slot])
            new = [here[slot] for slot in self.next]
            states = new if rows is None else [choose(rows, a, b) for a, b in zip(new, states, strict=True)]
        return tapes, states

    def sequence(self, array: Array, ends: RowEnds | None) -> Array:
        """A sequence in which empty rows repeat the first processed step of the row whose numbers they run on."""
        if ends is None or ends.lender is None or not self.step.reverse:
            return array
        filled, empty = array.copy(), ends.lengths == 0
        lender = ends.lender[empty]
        filled[:, empty] = array[ends.lengths[lender] - 1, lender]
        return filled

    def initial(self, slots: list[Any], run: RunContext) -> list[Array]:
        """The states before the first step; zeros where there is no initial value."""
        states = [None if slot is None else slots[slot] for slot in self.step.initial]
        if run.carried is not None:
            states = [run.carried.enter(key, s, self.dtype) for key, s in zip(self.keys, states, strict=True)]
        return [self.zeros(inner) if s is None else s for s, inner in zip(states, self.states, strict=True)]

    # ------------------------------------------------------------------ backward
    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of sequences, initial states and contexts, and to the gradients."""
        step = self.step
        output_errors = [errors[i] for i in step.outputs]
        carried = [errors[i] for i in step.finals]
        if all(error is None for error in (*output_errors, *carried)):
            return
        if self.single:
            output_errors = [None if error is None else error[:, None] for error in output_errors]
        input_errors = self.run_backward(saved, output_errors, carried, run, rows)
        for slot, array in zip((*step.sequences, *step.initial, *step.contexts), input_errors, strict=True):
            if slot is not None and array is not None:
                add(errors, slot, array)

    def run_backward(
        self, saved: Any, output_errors: list[Any], carried: list[Any], run: RunContext, rows: Rows
    ) -> list[Any]:
        """Run all steps backward; returns the errors of sequences, initial states and contexts."""
        tapes, live, counts, inner = saved
        sequence_errors = [self.zeros(i, len(tapes)) for i in range(len(self.step.sequences))]
        context_errors: list[Any] = [None] * self.step.cell.slot_count
        for t in reversed(self.order(len(tapes))):
            if live[t] is False:
                continue
            here = self.step_errors(t, output_errors, carried, live[t])
            self.body.backward(tapes[t], here, inner, both(rows, counts[t]))
            rows_in = both(live[t], counts[t]) if self.step.truncate_sequences else live[t]
            for i, total in enumerate(sequence_errors):
                if here[i] is not None and rows_in is not False:
                    total[t] = here[i] if rows_in is None else only(rows_in, here[i])
            carried = [previous_error(here[i], old, live[t]) for i, old in zip(self.states, carried, strict=True)]
            for slot in self.contexts:
                if here[slot] is not None:
                    add(context_errors, slot, here[slot])
        if self.single:
            sequence_errors = [error[:, 0] for error in sequence_errors]
        if run.carried is not None:
            carried = [None if e is None else run.carried.pulled(k, e) for k, e in zip(self.keys, carried, strict=True)]
        return [*sequence_errors, *carried, *(context_errors[slot] for slot in self.contexts)]

    def step_errors(self, t: int, outputs: list[Any], carried: list[Any], live: Rows) -> list[Any]:
        """The errors of the cell's outputs and next states at one step, by slot."""
        here: list[Any] = [None] * self.step.cell.slot_count
        emitted = [None if error is None else error[t] for error in outputs]
        for slot, error in zip((*self.emitted, *self.next), (*emitted, *carried), strict=True):
            if error is not None:
                add(here, slot, error if live is None else only(live, error))
        return here


def previous_error(new: Any, old: Any, live: Rows) -> Any:
    """The error of a state before a step: the new one; in rows that had ended, the old one."""
    if live is None or (new is None and old is None):
        return new
    new = np.zeros_like(old) if new is None else new
    return choose(live, new, np.zeros_like(new) if old is None else old)
