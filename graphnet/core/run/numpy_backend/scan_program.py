"""A Scan that runs its compiled program."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.compile.pipeline import EVERY, compile_program
from graphnet.core.compile.plan import Call, Loop
from graphnet.core.compile.program import BufferSlice, Program
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend import whole_scan
from graphnet.core.run.numpy_backend.bound_program import BoundProgram, CallerArrays, Tape
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet.core.run.numpy_backend.scan_axes import ScanAxes, with_inner, with_units
from graphnet.core.run.numpy_backend.shared_executables import Lease, SharedExecutables
from graphnet.core.run.numpy_backend.whole_pass import Slots, WholeTape
from graphnet.core.run.numpy_backend.workspace import Block, Workspace
from graphnet.core.run.padding import Padding, RowEnds
from graphnet.core.run.row_masks import Rows, add, owner, taken


def spec_of(
    step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool], backward: bool, copy_states: bool = False
) -> TraceSpec:
    """What to trace of a Scan: its cell, whose inputs are sequences, states and contexts in this order."""
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
        row_axes=1,
    )


class ScanProgram(BoundProgram):
    """The program of a Scan; the same interface as BoundLoop.

    With ``exact``, which programs need that may be nonfinite for finite inputs, a row that has ended repeats its last
    step exactly: its sequences and random arrays are copies, and each step leaves to the next one the state that it has
    read, not the one that it has computed. Without it, a row that has ended runs on any finite numbers, and its state
    stays what it was.

    Raises
    ------
    Untraceable
        If the cell has a rule that cannot be traced.
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
        if any(shapes.lengths[slot] is not None for slot in step.contexts):
            raise Untraceable("a context has rows over time, and a program reads the same context at every step")
        spec = spec_of(step, shapes, options, wanted, backward, exact)
        program = self._program(spec, options)
        self.inner = inner
        first = shapes.slots[step.sequences[0]]
        assert first is not None
        super().__init__(program, first.sizes[0] or 0, 1 if self.single else first.sizes[1] or 0, options)
        self.origin = next((o for o in (shapes.lengths[i] for i in step.sequences) if o is not None), None)
        self.bptt_length = step.bptt_length
        self.keys = [f"{step.path}/{name}" for name in step.states]
        self.contexts = [(int(attr), target) for name, attr, target, _ in program.staged if name == "context"]
        self.context_shapes = [shapes.slots[slot] for slot in step.contexts]
        #: Whether sequences are in the order of processing, with a batch axis and one of units.
        self.axes = ScanAxes(step, inner)
        self.straight = not (self.single or step.reverse or self.axes.several)
        #: Whether passes in which rows end early may be one call a direction: all steps count in the gradients.
        self.whole_where_ragged = not exact and (self.bptt_length is None or self.bptt_length >= self.steps)
        self._shared: SharedExecutables | None = None
        #: The sizes of the arrays that a step of the plan reads and writes over time, by slot.
        self.sizes: dict[int, Any] = {}
        for slot in (*step.sequences, *step.outputs):
            shape = shapes.slots[slot]
            self.sizes[slot] = None if shape is None else shape.sizes
        #: The slots whose errors may be nonzero beyond the rows' ends; None: any may be.
        self.given: set[int] | None = None
        #: Which final states other steps read.
        self.finals_read = [True] * len(step.finals)
        #: For which initial states errors are wanted.
        self.initial_wanted = [s is not None and shapes.slots[s] is not None and wanted[s] for s in step.initial]

    def _program(self, spec: TraceSpec, options: BindOptions) -> Program:
        """The program of the cell: one for any number of steps."""
        wanted = (*spec.shapes.slots, *spec.wanted, spec.phase, spec.dtype, spec.backward, spec.copy_states)
        key = (self.step.path, self.step.reverse, wanted)
        if key not in options.programs:
            options.programs[key] = compile_program(spec, EVERY if options.passes is None else options.passes)
        return options.programs[key]

    def required_padding(self) -> Padding:
        """The padding that it requires of sequences; a reversed Scan makes exact copies of steps itself."""
        if not self.exact:
            return Padding.FINITE
        return Padding.ANY if self.step.reverse else Padding.REPEATED

    def whole(self) -> bool:
        """Whether passes of whole rows are one call a direction."""
        return not self.contexts and self.executable().whole is not None

    def slots(self) -> Slots | None:
        """Where its arrays are among the slots of the plan; None if they are reordered, or if there are contexts."""
        step, last = self.step, self.bptt_length
        if not self.straight or self.contexts:
            return None
        truncated = step.truncate_sequences and last is not None and last < self.steps
        return Slots(
            [(slot, self.sizes[slot]) for slot in step.sequences],
            [(slot, self.sizes[slot]) for slot in step.outputs],
            self.keys,
            list(step.initial),
            list(step.finals),
            self.finals_read,
            self.initial_wanted,
            self.steps - (last or 0) if truncated else 0,
        )

    # ------------------------------------------------------------------ forward
    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of outputs and final states; returns the values saved for backward."""
        step, executable = self.step, self._executable or self.executable()
        ends = run.ends_at(self.origin) if run.ends else None
        if executable.whole is not None and not self.contexts and (ends is None or self.whole_where_ragged):
            lease = None if ends is None else self.lease()
            if lease is not None:
                executable = lease.executable
            assert executable.whole is not None
            return whole_scan.forward(self, executable, executable.whole, slots, run, ends, lease)
        values = executable.load_weights(run.arrays)
        order = None if ends is None else self.order(ends)
        arrays = {}
        reading_order = order if ends is None else self.reading_order(ends, order)
        for k, slot in enumerate(step.sequences):
            arrays["sequence", k] = self.reordered(slots[slot], reading_order)
        states = self.initial_states(slots, run)
        self.load(executable, states, slots, ends if self.exact else None)
        if self.draws:
            self.draw(executable.workspace, run)
        ended = None if ends is None else np.arange(self.steps)[:, None] >= ends.lengths
        outputs = self.run_forward(executable, arrays, run, self.held(ended) if self.exact else ended)
        for slot, array, inner in zip(step.outputs, outputs, self.axes.outputs, strict=True):
            slots[slot] = self.restored(array if ended is None else zero_ended(array, ended), order, inner)
        self.store_states(executable, states, slots, ends, run)
        return Tape(executable, arrays, values, ended, None if ends is None else ends.lengths) if run.keep else None

    def lease(self) -> Lease | None:
        """An executable that passes of other numbers of steps use as well; None if this one is needed.

        Random arrays are drawn into its workspace, and errors of final states need the calls of single blocks.
        """
        if self._shared is None and not self.draws and not any(self.finals_read):
            key = (id(self.program), self.batch, self.options.dtype)
            self._shared = self.options.executables.setdefault(key, SharedExecutables(self.program))
        return None if self._shared is None else self._shared.lease(self.steps, self.made)

    def initial_states(self, slots: list[Any], run: RunContext) -> list[Array | None]:
        """The states before the first step; None for zeros."""
        states: list[Array | None] = []
        for slot in self.step.initial:
            states.append(None if slot is None else slots[slot])  # a comprehension is a call, in every pass
        if run.carried is None:
            return states
        dtype = self.options.dtype
        return [run.carried.enter(key, state, dtype) for key, state in zip(self.keys, states, strict=True)]

    def load(self, executable: Executable, states: list[Array | None], slots: list[Any], ends: RowEnds | None) -> None:
        """Copy initial states and contexts to the workspace; with ``ends`` empty rows take those of another row."""
        for target, state in zip(executable.initial, states, strict=True):
            state = state if state is None or state.ndim == 2 else with_units(state, 1)
            target[...] = 0 if state is None else state.T if ends is None else ends.lent(state).T
        for index, target in self.contexts:
            context = slots[self.step.contexts[index]]
            context = context if ends is None else ends.lent(context, self.context_shapes[index])
            executable.workspace.at(target, 0)[...] = with_units(context, 1).T

    def store_states(
        self,
        executable: Executable,
        initial: list[Array | None],
        slots: list[Any],
        ends: RowEnds | None,
        run: RunContext,
    ) -> None:
        """Fill the slots of the final states; an empty row, which may have run on another's numbers, keeps its own."""
        empty = ends.lengths == 0 if self.exact and ends is not None and ends.lender is not None else None
        for k, slot in enumerate(self.step.finals):
            state = slots[slot] = with_inner(executable.final[k].T.copy(), self.axes.states[k])
            if empty is not None:
                before = initial[k]
                state[empty] = 0 if before is None else before[empty]
            if run.carried is not None:
                run.carried.leave(self.keys[k], state)

    def held(self, ended: Array | None) -> Array | None:
        """The rows whose states a step leaves as they were, where ``exact``: those that repeat it in the next step.

        The last step stores its own states: the final ones, which the repetitions compute again.
        """
        if ended is None:
            return None
        return np.concatenate([ended[1:], np.zeros_like(ended[:1])])

    # ------------------------------------------------------------------ the order of steps
    def order(self, ends: RowEnds) -> Array | None:
        """For a reversed Scan of rows that differ in length, the (step, row) that each one is read from.

        Each row is reversed within its own length, so that rows end early, and none begins late, in the order of
        processing.
        """
        if not self.step.reverse:
            return None
        steps = np.arange(self.steps)[:, None]
        reversed_steps = np.where(steps < ends.lengths, ends.lengths - 1 - steps, steps)
        order: Array = (reversed_steps * self.batch + np.arange(self.batch)).reshape(-1)
        return order

    def reading_order(self, ends: RowEnds, order: Array | None) -> Array | None:
        """The order in which sequences are read: where ``exact``, a row repeats its last step beyond its end."""
        return ends.reversing if self.exact and self.step.reverse else order

    def reordered(self, array: Array, order: Array | None) -> Array:
        """A sequence in the order of processing, with a batch axis."""
        array = with_units(array[:, None] if self.single else array, 2)
        if order is not None:
            return taken(array, order)
        return np.ascontiguousarray(array[::-1] if self.step.reverse else array)

    def restored(self, array: Array, order: Array | None, inner: tuple[int, ...]) -> Array:
        """The inverse of :meth:`reordered`, for an array with these inner axes."""
        if order is not None:
            return with_inner(taken(array, order), inner)  # type: ignore[no-any-return]
        array = with_inner(array[::-1] if self.step.reverse else array, inner)
        return array[:, 0] if self.single else array

    # ------------------------------------------------------------------ random arrays
    def draw(self, workspace: Workspace, run: RunContext) -> None:
        """Draw all random arrays, in the order in which a loop over the steps draws them."""
        ends = run.ends_at(self.origin)
        rng = run.generator()
        targets: dict[tuple[str, str], list[tuple[str, BufferSlice]]] = {}
        for (path, layer_path, name), target in self.draws:
            targets.setdefault((path, layer_path), []).append((name, target))
        calls = [s for s in self.step.cell.steps if isinstance(s, Call) and (s.path, s.layer) in targets]
        for t in range(self.steps if ends is None else ends.longest):
            for call in calls:
                shapes: list[Any] = [None if i is None else self.inner.slots[i] for i in call.inputs]
                drawn = collective.drawn(self.options.layers[call.layer], rng, shapes)
                for name, target in targets[call.path, call.layer]:
                    workspace.at(target, t)[...] = with_units(drawn[name], 1).T
        if ends is not None:
            for _, target in self.draws:
                self.reorder_draws(workspace, target, ends)

    def reorder_draws(self, workspace: Workspace, target: BufferSlice, ends: RowEnds) -> None:
        """Move random arrays from the steps that drew them to those at which each row needs them."""
        steps, rows = ends.drawing(self.step.reverse)
        array = workspace.whole(target, Block(0, self.steps))
        array[...] = array[steps, :, rows].transpose(0, 2, 1)

    # ------------------------------------------------------------------ backward
    def backward(self, tape: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of sequences, initial states and contexts, and to the gradients."""
        if isinstance(tape, WholeTape):
            if tape.ragged is None or all(errors[slot] is None for slot in self.step.finals):
                whole_scan.backward(self, tape, errors, run)
                return
            tape = tape.ragged
        step, executable = self.step, tape.executable
        output_errors = [errors[i] for i in step.outputs]
        final_errors = [errors[i] for i in step.finals]
        if all(error is None for error in (*output_errors, *final_errors)):
            return
        arrays = dict(tape.arrays)
        ends = run.ends_at(self.origin)
        order = None if ends is None else self.order(ends)
        for k, (error, source) in enumerate(zip(output_errors, self.program.emitted, strict=True)):
            arrays["emitted_error", k] = self.emitted_error(error, source.width, tape.ended, order)
        for target, error in zip(executable.final_errors, final_errors, strict=True):
            target[...] = 0 if error is None else with_units(error, 1).T
        contexts = self.run_backward(tape, arrays, run, any(error is not None for error in final_errors))
        sequences = [self.sequence_error(arrays, k, tape, order) for k in range(len(step.sequences))]
        axes = self.axes
        errors_of_states = zip(executable.initial_errors, axes.states, strict=True)
        states: list[Any] = [with_inner(array.T.copy(), inner) for array, inner in errors_of_states]
        if run.carried is not None:
            states = [run.carried.pulled(key, error) for key, error in zip(self.keys, states, strict=True)]
        of_contexts = zip(contexts, axes.contexts, strict=True)
        contexts = [None if error is None else with_inner(error.T.copy(), inner) for error, inner in of_contexts]
        input_errors = [*sequences, *states, *contexts]
        for slot, array in zip((*step.sequences, *step.initial, *step.contexts), input_errors, strict=True):
            if slot is not None and array is not None:
                add(errors, slot, array)

    def emitted_error(self, error: Any, width: int, ended: Array | None, order: Array | None) -> Array:
        """The error of an emitted output in the order of processing; zeros where there is none, and in ended rows."""
        if error is None:
            return np.zeros((self.steps, self.batch, width), self.options.dtype)
        array = self.reordered(error, order)
        if ended is None:
            return array
        return zero_ended(array.copy() if owner(array) is owner(error) else array, ended)

    def sequence_error(self, arrays: CallerArrays, number: int, tape: Tape, order: Array | None) -> Array | None:
        """The error of a sequence, in the order of time; None where none is wanted."""
        array = arrays.get(("sequence_error", number))
        if array is None:
            return None
        array = self.truncated(array, tape.lengths)
        array = array if tape.ended is None else zero_ended(array, tape.ended)
        return self.restored(array, order, self.axes.sequences[number])

    def truncated(self, array: Array, lengths: Array | None) -> Array:
        """The errors of a sequence, in the order of processing, with zeros in the steps that truncation excludes."""
        last = self.bptt_length
        if self.step.truncate_sequences and last is not None and last < self.steps:
            if lengths is None:
                array[: self.steps - last] = 0
            else:
                array[np.arange(self.steps)[:, None] < lengths - last] = 0
        return array


def zero_ended(array: Array, ended: Array) -> Array:
    """A sequence with zeros in the rows that have ended; changes it in place."""
    array[ended] = 0
    return array
