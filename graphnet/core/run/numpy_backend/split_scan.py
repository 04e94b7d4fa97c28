"""A Scan whose linear recurrences leave the loop over time; see :mod:`graphnet.core.compile.recurrences`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.compile.recurrences.split import ONCE, ROWS, STEPS, Recurrence, Repeat, Rest, SplitCell
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.recurrences import Order
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.bound_program import BoundProgram
from graphnet.core.run.numpy_backend.recurrence import BoundRecurrence, Elementwise, Frame, Matrix
from graphnet.core.run.numpy_backend.region import BoundRegion, with_regions
from graphnet.core.run.numpy_backend.split_pieces import BoundRepeat, BoundRest, reads_of
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.row_masks import Rows, add
from graphnet.core.run.thread_policy import ThreadPolicy, combined


class SplitScan:
    """A Scan, taken apart; the same interface as BoundLoop.

    Values of the cell are ``(steps · batch, …)``: for a node, a row is a row at a step.
    """

    def __init__(
        self, step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool], split: SplitCell, bind_rest: Any
    ) -> None:
        self.step, self.split, self.options = step, split, options
        self.single = step.path in shapes.single
        first = shapes.slots[step.sequences[0]]
        assert first is not None
        steps, batch = first.sizes[0] or 0, 1 if self.single else first.sizes[1] or 0
        self.size = steps, batch
        self.origin = next((o for o in (shapes.lengths[i] for i in step.sequences) if o is not None), None)
        self.keys = [f"{step.path}/{name}" for name in step.states]
        self.context_shapes = [shapes.slots[slot] for slot in step.contexts]
        self.emitted = [slot for _, slot in step.cell.outputs[: len(step.outputs)]]
        self.shapes = [() if s is None else tuple(n or 0 for n in s.sizes[1:]) for s in split.shapes]
        self.states = range(len(step.sequences), len(step.sequences) + len(step.initial))
        self.first_context = len(step.sequences) + len(step.initial)
        self._bind(wanted, bind_rest)

    def _bind(self, wanted: list[bool], bind_rest: Any) -> None:
        """Bind the pieces."""
        step, split = self.step, self.split
        options = replace(self.options, layers={**self.options.layers, **split.layers})
        needs = [False] * len(split.shapes)
        for k, slot in enumerate(step.sequences):
            needs[k] = wanted[slot]
        for k, slot in enumerate(step.contexts, self.first_context):
            needs[k] = wanted[slot]
        rows = self._shapes(over_time=False)
        self.steps: list[Any] = []
        calls: list[Call] = []
        for piece in (*split.pieces, None):
            if isinstance(piece, Call):
                calls.append(piece)
                continue
            self.steps += self._calls(calls, rows, options, needs)
            calls = []
            if piece is not None:
                self.steps.append(self._piece(piece, options, needs, bind_rest))

    def _shapes(self, over_time: bool) -> Shapes:
        """The shapes of all slots, by rows or ``(time, batch, …)``."""
        steps, batch = self.size
        found: list[Shape | None] = []
        for shape, stage in zip(self.split.shapes, self.split.stages, strict=True):
            if shape is None:
                found.append(None)
            elif over_time and stage == STEPS:
                found.append(shape.resized(0, batch).preceded("time", steps))
            else:
                found.append(shape.resized(0, (1, batch, steps * batch)[stage]))
        lengths = [0 if over_time and s == STEPS and self.origin is not None else None for s in self.split.stages]
        return Shapes(tuple(found), tuple(lengths), {}, frozenset())

    def _calls(self, calls: list[Call], shapes: Shapes, options: BindOptions, needs: list[bool]) -> list[Any]:
        """Bind neighbouring nodes."""
        if not calls:
            return []
        bound = []
        for call in calls:
            one = BoundCall(call, shapes, options, any(needs[i] for i in call.inputs if i is not None))
            for slot in call.outputs:
                needs[slot] = one.wanted or one.trained
            bound.append(one)
        written = {slot for call in calls for slot in call.outputs}
        pieces = [p for p in self.split.pieces if p not in calls]
        read = {*self.emitted, *(i for p in pieces for i in reads_of(p))} & written
        plan = Plan((), (), tuple((str(i), i) for i in sorted(read)), tuple(calls), ("",) * len(shapes.slots))
        return with_regions(plan, bound, shapes, options, needs)

    def _piece(self, piece: Recurrence | Repeat | Rest, options: BindOptions, needs: list[bool], bind_rest: Any) -> Any:
        """Bind another piece."""
        stages = self.split.stages
        if isinstance(piece, Repeat):
            needs[piece.target] = piece.source is not None and needs[piece.source]
            return BoundRepeat(piece, stages, self._shapes(over_time=False), self.size, options.dtype)
        for slot in piece.outputs:
            needs[slot] = True
        if isinstance(piece, Recurrence):
            kind = Elementwise if piece.axes is None else Matrix
            inner = self.shapes[self.states[piece.states[0]]]
            return kind(piece, self.shapes, stages, needs, self.size, inner, options.dtype, options.operations)
        return self._rest(piece, options, needs, bind_rest)

    def _rest(self, piece: Rest, options: BindOptions, needs: list[bool], bind_rest: Any) -> BoundRest:
        loop = piece.loop
        assert loop is not None
        shapes = self._shapes(over_time=True)
        inside: list[Shape | None] = []
        batch = self.size[1]
        initial = [slot for slot in loop.initial if slot is not None]
        outer = [*loop.sequences, *initial, *loop.contexts, *(o for call in piece.calls for o in call.outputs)]
        for slot in outer:
            shape = self.split.shapes[slot]
            inside.append(None if shape is None else shape.resized(0, batch))
        cell = Shapes(tuple(inside), (None,) * len(inside), {}, frozenset())
        shapes = replace(shapes, cells={loop.path: cell})
        for slot in initial:
            needs[slot] = True
        return BoundRest(piece, bind_rest(loop, shapes, options, needs), self)

    # ------------------------------------------------------------------ what the plan asks
    @staticmethod
    def required_padding() -> Padding:
        """The padding that it requires of sequences."""
        return Padding.REPEATED

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with."""
        return combined(self.options.dtype, [s.policy(keep) for s in self.steps if hasattr(s, "policy")])

    def compiled(self) -> Iterator[BoundProgram]:
        """The programs that were compiled so far."""
        for step in self.steps:
            if isinstance(step, BoundRegion):
                yield from step.compiled()
            elif isinstance(step, BoundRest):
                yield from step.scan.compiled()

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole pass."""
        ends = run.ends_at(self.origin)
        self.inner = replace(run, lengths=[], carried=None, ends=[])
        over_time = replace(
            run, lengths=[None if ends is None else ends.lengths], carried=None, ends=[] if ends is None else [ends]
        )
        for step in self.steps:
            if isinstance(step, BoundRest):
                step.start(over_time)
            elif isinstance(step, (BoundCall, BoundRegion)):
                step.start(self.inner)

    # ------------------------------------------------------------------ forward
    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of outputs and final states; returns the values saved for backward."""
        ends = run.ends_at(self.origin)
        values = self._entered(slots, ends)
        frame = self._frame(slots, run, ends)
        saved = []
        for step in self.steps:
            saved.append(step.forward(values, frame if isinstance(step, (BoundRecurrence, BoundRest)) else self.inner))
        for slot, inner in zip(self.step.outputs, self.emitted, strict=True):
            slots[slot] = self._left(values[inner], inner, ends)
        for slot, key, final in zip(self.step.finals, self.keys, frame.final, strict=True):
            slots[slot] = final
            if run.carried is not None and final is not None:
                run.carried.leave(key, final)
        return (saved, frame, self.inner) if run.keep else None

    def _entered(self, slots: list[Any], ends: RowEnds | None) -> list[Any]:
        """The values of the cell's inputs, by slot."""
        values: list[Any] = [None] * len(self.split.shapes)
        for k, slot in enumerate(self.step.sequences):
            values[k] = slots[slot].reshape(-1, *self.shapes[k])
        for k, (slot, shape) in enumerate(
            zip(self.step.contexts, self.context_shapes, strict=True), self.first_context
        ):
            values[k] = slots[slot] if ends is None else ends.lent(slots[slot], shape)
        return values

    def _frame(self, slots: list[Any], run: RunContext, ends: RowEnds | None) -> Frame:
        """The states before the first step; None for zeros."""
        initial = [None if slot is None else slots[slot] for slot in self.step.initial]
        if run.carried is not None:
            dtype = self.options.dtype
            initial = [run.carried.enter(key, s, dtype) for key, s in zip(self.keys, initial, strict=True)]
        order = Order(None if ends is None else ends.lengths, self.step.reverse)
        return Frame(ends, order, initial, [None] * len(initial))

    def _left(self, array: Array, slot: int, ends: RowEnds | None) -> Array:
        """An output over time, in memory of its own, zero beyond the ends of rows."""
        steps, batch = self.size
        stage, inner = self.split.stages[slot], self.shapes[slot]
        rows = (1, 1) if stage == ONCE else (1, batch) if stage == ROWS else (steps, batch)
        array = np.broadcast_to(array.reshape(*rows, *inner), (steps, batch, *inner))
        array = array.copy() if ends is None else ends.zeroed(array)
        return array[:, 0] if self.single else array

    # ------------------------------------------------------------------ backward
    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of sequences, initial states and contexts, and to the gradients."""
        tapes, frame, inner = saved
        step = self.step
        frame = replace(frame, errors=[errors[i] for i in step.finals])
        given = [errors[i] for i in step.outputs]
        if all(error is None for error in (*given, *frame.errors)):
            return
        own: list[Any] = [None] * len(self.split.shapes)
        for slot, error in zip(self.emitted, given, strict=True):
            if error is not None:
                add(own, slot, self._error_in(error, slot, frame.ends))
        for piece, tape in zip(reversed(self.steps), reversed(tapes), strict=True):
            if isinstance(piece, (BoundRecurrence, BoundRest)):
                piece.backward(tape, own, frame)
            else:
                piece.backward(tape, own, inner, None)
        self._leave(own, frame, errors, run)

    def _error_in(self, error: Array, slot: int, ends: RowEnds | None) -> Array:
        """The error of an output by rows."""
        steps, batch = self.size
        inner, stage = self.shapes[slot], self.split.stages[slot]
        error = error.reshape(steps, batch, *inner)
        if ends is not None:
            error = ends.zeroed(error)
        if stage == ONCE:
            error = error.sum(axis=(0, 1))[None]
        elif stage == ROWS:
            error = error.sum(axis=0)
        return error.reshape(-1, *inner)

    def _leave(self, own: list[Any], frame: Frame, errors: list[Any], run: RunContext) -> None:
        """Add to the errors of sequences, contexts and initial states."""
        steps, batch = self.size
        for k, slot in enumerate(self.step.sequences):
            if own[k] is None:
                continue
            error = own[k].reshape(steps, batch, *self.shapes[k])
            error = error if frame.ends is None else frame.ends.zeroed(error)
            add(errors, slot, error[:, 0] if self.single else error)
        for k, slot in enumerate(self.step.contexts, self.first_context):
            if own[k] is not None:
                add(errors, slot, own[k])
        for key, initial, error in zip(self.keys, self.step.initial, frame.errors, strict=True):
            if error is not None and run.carried is not None:
                error = run.carried.pulled(key, error)
            if error is not None and initial is not None:
                add(errors, initial, error)
