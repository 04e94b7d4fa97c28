"""Passes of a Scan without contexts whose executable runs them in one call a direction.

Rows may end early. Only errors of final states, which enter rows of different lengths at different steps, need the
calls of single blocks.
"""

from __future__ import annotations

from typing import Any, Protocol

from graphnet.core.compile.plan import Loop
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import RunContext
from graphnet.core.run.numpy_backend.bound_program import Tape
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet.core.run.numpy_backend.scan_axes import ScanAxes, with_inner, with_units
from graphnet.core.run.numpy_backend.whole_pass import WholePass, WholeTape, collect
from graphnet.core.run.padding import RowEnds
from graphnet.core.run.row_masks import add


class Program(Protocol):
    """What this module needs of a :class:`ScanProgram`."""

    step: Loop
    keys: list[str]
    straight: bool
    draws: list[Any]
    finals_read: list[bool]
    initial_wanted: list[bool]
    given: set[int] | None
    axes: ScanAxes

    def initial_states(self, slots: list[Any], run: RunContext) -> list[Array | None]: ...
    def draw(self, workspace: Any, run: RunContext) -> None: ...
    def order(self, ends: RowEnds) -> Array | None: ...
    def emitted_error(self, error: Any, width: int, ended: Array | None, order: Array | None) -> Array: ...
    def reordered(self, array: Array, order: Array | None) -> Array: ...
    def restored(self, array: Array, order: Array | None, inner: tuple[int, ...]) -> Array: ...
    def truncated(self, array: Array, lengths: Array | None) -> Array: ...


def forward(
    program: Program,
    executable: Executable,
    whole: WholePass,
    slots: list[Any],
    run: RunContext,
    ends: RowEnds | None = None,
    lease: Any = None,
) -> WholeTape | None:
    """Fill the slots of outputs and of the final states that are read; returns the values saved for backward.

    ``lease`` keeps the executable for this pass if it is shared.
    """
    step, straight, carried = program.step, program.straight, run.carried
    values = whole.load_weights(run.arrays)
    order = None if ends is None else program.order(ends)
    sequences = []
    for slot in step.sequences:
        sequences.append(slots[slot] if straight else program.reordered(slots[slot], order))
    states = program.initial_states(slots, run)
    if program.axes.several:
        states = [None if state is None else with_units(state, 1) for state in states]
    if program.draws:
        program.draw(executable.workspace, run)
    wanted = program.finals_read if carried is None else [True] * len(states)
    ended = None if ends is None else ends.beyond
    outputs, finals, alive = whole.forward(sequences, states, wanted, ended)
    axes = program.axes
    for slot, array, inner in zip(step.outputs, outputs, axes.outputs, strict=True):
        if ended is not None:
            array[ended] = 0
        slots[slot] = array if straight else program.restored(array, order, inner)
    for k, state in enumerate(finals):
        if state is not None:
            state = with_inner(state, axes.states[k])
            slots[step.finals[k]] = state
            if carried is not None:
                carried.leave(program.keys[k], state)
    if not run.keep:
        return None
    tape = WholeTape(whole, values, alive)
    tape.lease = lease
    if ends is not None:
        arrays = {("sequence", k): array for k, array in enumerate(sequences)}
        tape.ragged, tape.order = Tape(executable, arrays, values, ended, ends.lengths), order
    return tape


def backward(program: Program, tape: WholeTape, errors: list[Any], run: RunContext) -> None:
    """Add to the errors of sequences and initial states, and to the gradients."""
    step, straight, carried = program.step, program.straight, run.carried
    arrived = False
    output_errors = []
    for slot in step.outputs:
        error = errors[slot]
        arrived = arrived or error is not None
        output_errors.append(error if error is None else _error_in_order(program, tape, error, slot))
    final_errors = [errors[slot] for slot in step.finals]
    if program.axes.several:
        final_errors = [None if error is None else with_units(error, 1) for error in final_errors]
    if not arrived and all(error is None for error in final_errors):
        return
    sequences, states, gradients = tape.whole.backward(output_errors, final_errors, program.initial_wanted, tape.values)
    axes = program.axes
    for slot, error, inner in zip(step.sequences, sequences, axes.sequences, strict=True):
        if error is not None:
            if tape.ragged is not None:
                error[tape.ragged.ended] = 0
            error = program.truncated(error, None)
            add(errors, slot, error if straight else program.restored(error, tape.order, inner))
    for key, initial, error, inner in zip(program.keys, step.initial, states, axes.states, strict=False):
        if initial is not None and error is not None:
            error = with_inner(error, inner)
            pulled = error if carried is None else carried.pulled(key, error)
            if pulled is not None:
                add(errors, initial, pulled)
    collect(gradients, run)


def _error_in_order(program: Program, tape: WholeTape, error: Array, slot: int) -> Array:
    """The error of an output in the order of processing, with zeros in rows that have ended.

    Most steps return errors with zeros there.
    """
    if tape.ragged is not None and (program.given is None or slot in program.given):
        return program.emitted_error(error, error.shape[-1], tape.ragged.ended, tape.order)
    return error if program.straight else program.reordered(error, tape.order)
