"""A Scan that runs by its program: sequences, states and contexts in, errors and gradients out."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.pipeline import EVERY, compile_program
from graphnet.core.compile.plan import Call, Loop
from graphnet.core.compile.program import BufferSlice, Program
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.compile.trace.symbol import Untraceable
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.bound_program import BoundProgram, Executable
from graphnet.core.run.numpy_backend.workspace import Block, Workspace
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.row_masks import Rows, add, owner, taken


def spec_of(
    step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool], backward: bool, copy_states: bool = False
) -> TraceSpec:
    """What is traced of a Scan: its cell, whose inputs are sequences, states and contexts in this order."""
    n, s, c = len(step.sequences), len(step.initial), len(step.contexts)
    roles = [("sequence", i) for i in range(n)] + [("state", i) for i in range(s)]
    roles += [("context", i) for i in range(c)]
    needs = [wanted[i] for i in step.sequences] + [True] * s + [wanted[i] for i in step.contexts]
    return TraceSpec(
        step.cell,
        shapes.cells[step.path],
        options.layers,
        options.phase,
        options.dtype,
        tuple(roles),
        tuple(needs),
        len(step.outputs),
        backward,
        copy_states,
    )


class ScanProgram(BoundProgram):
    """A step that scans by a program; the same interface as BoundLoop.

    ``exact`` is for programs that may fail on numbers that do not occur: a row that has ended repeats its last step
    exactly. Its sequences and random arrays are copies, and each step leaves the state that it has read, in place of
    the one that it has made, to the next. Without it, a row that has ended runs on any finite numbers, and its state
    stays what it was.

    Raises
    ------
    Untraceable
        If the cell has a rule that cannot be read; it is run as it is written then.
    """

    def __init__(
        self,
        step: Loop,
        shapes: Shapes,
        options: BindOptions,
        wanted: list[bool],
        backward: bool,
        exact: bool = False,
    ) -> None:
        self.step, self.exact = step, exact
        self.single = step.path in shapes.single
        inner = shapes.cells[step.path]
        entering = inner.slots[0]
        if entering is not None and entering.rank > 2:
            raise Untraceable(f"a step of it is {entering}, and programs know (batch, feature)")
        if any(shapes.lengths[slot] is not None for slot in step.contexts):
            raise Untraceable("a context of it has rows over time, and programs know (batch, feature)")
        spec = spec_of(step, shapes, options, wanted, backward, exact)
        program = self._program(spec, options)
        self.inner = inner
        first = shapes.slots[step.sequences[0]]
        assert first is not None
        super().__init__(program, first.sizes[0] or 0, 1 if self.single else first.sizes[1] or 0, options)
        self.origin = next((o for o in (shapes.lengths[i] for i in step.sequences) if o is not None), None)
        self.bptt_length = step.bptt_length
        self.keys = [f"{step.path}/{name}" for name in step.states]
        self.context_shapes = [shapes.slots[slot] for slot in step.contexts]

    def _program(self, spec: TraceSpec, options: BindOptions) -> Program:
        """The program of the cell: one for any number of steps."""
        wanted = (*spec.shapes.slots, *spec.wanted, spec.phase, spec.dtype, spec.backward, spec.copy_states)
        key = (self.step.path, self.step.reverse, wanted)
        if key not in options.programs:
            options.programs[key] = compile_program(spec, EVERY if options.passes is None else options.passes)
        return options.programs[key]

    def start(self, run: RunContext) -> None:
        """Nothing to look up: it is all bound."""

    def requires(self) -> Padding:
        """The form in which it requires sequences; in reverse it makes exact copies itself."""
        if not self.exact:
            return Padding.FINITE
        return Padding.ANY if self.step.reverse else Padding.REPEATED

    # ------------------------------------------------------------------ forward
    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of outputs and final states; returns what the backward pass needs."""
        step = self.step
        ends = run.ends_at(self.origin)
        lengths = None if ends is None else ends.lengths
        turn = self.turning(lengths)
        order = ends.reversing if ends is not None and self.exact and step.reverse else turn
        given = {("sequence", k): self.inward(slots[i], order) for k, i in enumerate(step.sequences)}
        states = [self.initial(k, slots, run) for k in range(len(step.initial))]
        tape, outputs = self.run_forward(
            given,
            run,
            lengths,
            lambda bound: self.enter(bound, states, slots, ends if self.exact else None),
            self.draw,
        )
        for slot, array in zip(step.outputs, outputs, strict=True):
            slots[slot] = self.outward(live(array, tape.ended), turn)
        for k, (slot, key) in enumerate(zip(step.finals, self.keys, strict=True)):
            slots[slot] = self.final(tape.workspace.final[k].T.copy(), states[k], ends)
            if run.carried is not None:
                run.carried.leave(key, slots[slot])
        return tape if run.keep else None

    def initial(self, number: int, slots: list[Any], run: RunContext) -> Array | None:
        """The state before the first step; None for zeros."""
        slot = self.step.initial[number]
        given = None if slot is None else slots[slot]
        if run.carried is None:
            return given
        return run.carried.enter(self.keys[number], given, self.options.dtype)

    def final(self, state: Array, initial: Array | None, ends: RowEnds | None) -> Array:
        """The state after the last step: of an empty row, which may have run on others' numbers, the initial one."""
        if self.exact and ends is not None and ends.lender is not None:
            empty = ends.lengths == 0
            state[empty] = 0 if initial is None else initial[empty]
        return state

    def held(self, ended: Array | None) -> Array | None:
        """The rows whose states a step leaves as they were: where ``exact``, those for which the next step repeats it.

        The last step leaves what it has made: the final state, which the repetitions have made again.
        """
        if ended is None or not self.exact:
            return ended
        return np.concatenate([ended[1:], np.zeros_like(ended[:1])])

    def turning(self, lengths: Array | None) -> Array | None:
        """For a reversed Scan of rows that differ in length, where each (step, row) goes: each row is turned within its
        own end, so that rows end, and do not begin late, in the order of processing as well."""
        if lengths is None or not self.step.reverse:
            return None
        steps = np.arange(self.steps)[:, None]
        turned = np.where(steps < lengths, lengths - 1 - steps, steps)
        found: Array = (turned * self.batch + np.arange(self.batch)).reshape(-1)
        return found

    def inward(self, array: Array, turn: Array | None) -> Array:
        """A sequence in the order of processing, with a batch axis."""
        array = array[:, None] if self.single else array
        if turn is not None:
            return taken(array, turn)
        return np.ascontiguousarray(array[::-1] if self.step.reverse else array)

    def outward(self, array: Array, turn: Array | None) -> Array:
        """The other way round."""
        if turn is not None:
            return taken(array, turn)
        array = array[::-1] if self.step.reverse else array
        return array[:, 0] if self.single else array

    def enter(self, bound: Executable, states: list[Array | None], slots: list[Any], ends: RowEnds | None) -> None:
        """Initial states and contexts; with ``ends`` empty rows get those of the row that lends to them."""
        space = bound.space
        for target, state in zip(bound.initial, states, strict=True):
            target[...] = 0 if state is None else state.T if ends is None else ends.lent(state).T
        for name, attr, place, _ in self.program.staged:
            if name == "context":
                index = int(attr)
                context = slots[self.step.contexts[index]]
                context = context if ends is None else ends.lent(context, self.context_shapes[index])
                space.at(place, 0)[...] = context.T

    def draw(self, space: Workspace, run: RunContext) -> None:
        """All random arrays, in the order in which the steps would draw them."""
        ends = run.ends_at(self.origin)
        rng = run.generator()
        by_call: dict[tuple[str, str], list[tuple[str, BufferSlice]]] = {}
        for (path, layer_path, name), place in self.draws:
            by_call.setdefault((path, layer_path), []).append((name, place))
        calls = [s for s in self.step.cell.steps if isinstance(s, Call) and (s.path, s.layer) in by_call]
        for t in range(self.steps if ends is None else int(ends.lengths.max())):
            for call in calls:
                shapes: list[Any] = [None if i is None else self.inner.slots[i] for i in call.inputs]
                drawn = self.options.layers[call.layer].draw(rng, *shapes)
                for name, place in by_call[call.path, call.layer]:
                    space.at(place, t)[...] = drawn[name].T
        if ends is not None:
            for _, place in self.draws:
                self.reorder(space, place, ends)

    def reorder(self, space: Workspace, place: BufferSlice, ends: RowEnds) -> None:
        """Move random arrays from the steps that drew them to those at which each row needs them."""
        steps, rows = ends.drawing(self.step.reverse)
        every = space.whole(place, Block(0, self.steps))
        every[...] = every[steps, :, rows].transpose(0, 2, 1)

    # ------------------------------------------------------------------ backward
    def backward(self, tape: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of sequences, initial states and contexts, and to the gradients."""
        step, program = self.step, self.program
        arrived = [errors[i] for i in step.outputs]
        final = [errors[i] for i in step.finals]
        if all(error is None for error in (*arrived, *final)):
            return
        given = dict(tape.given)
        turn = self.turning(tape.lengths)
        for k, (error, place) in enumerate(zip(arrived, program.emitted, strict=True)):
            given["emitted_error", k] = self.error(error, place.width, tape.ended, turn)
        for entering, error in zip(tape.workspace.arriving, final, strict=True):
            entering[...] = 0 if error is None else error.T
        contexts = self.run_backward(tape, given, run, any(error is not None for error in final))
        found: list[Any] = [given.get(("sequence_error", k)) for k in range(len(step.sequences))]
        found = [None if a is None else self.outward(live(self.cut(a, tape.lengths), tape.ended), turn) for a in found]
        states: list[Any] = [array.T.copy() for array in tape.workspace.leaving]
        if run.carried is not None:
            states = [run.carried.pulled(key, error) for key, error in zip(self.keys, states, strict=True)]
        found += states
        found += [None if c is None else c.T.copy() for c in contexts]
        for outer, array in zip((*step.sequences, *step.initial, *step.contexts), found, strict=True):
            if outer is not None and array is not None:
                add(errors, outer, array)

    def cut(self, array: Array, lengths: Array | None) -> Array:
        """The errors of a sequence, in the order of processing; zeros in the steps that a cut leaves out."""
        last = self.bptt_length
        if self.step.truncate_sequences and last is not None and last < self.steps:
            if lengths is None:
                array[: self.steps - last] = 0
            else:
                array[np.arange(self.steps)[:, None] < lengths - last] = 0
        return array

    def error(self, error: Any, width: int, ended: Array | None, turn: Array | None) -> Array:
        """The error of an emitted output, in the order of processing; zeros where none came, and after rows' ends."""
        if error is None:
            return np.zeros((self.steps, self.batch, width), self.options.dtype)
        array = self.inward(error, turn)
        if ended is None:
            return array
        return live(array.copy() if owner(array) is owner(error) else array, ended)


def live(array: Array, ended: Array | None) -> Array:
    """A sequence with zeros after the rows' ends."""
    if ended is not None:
        array[ended] = 0
    return array
