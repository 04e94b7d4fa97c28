"""Passes of a Scan whose executable runs them in one call a direction: every row has all steps, and no contexts."""

from __future__ import annotations

from typing import Any, Protocol

from graphnet.core.compile.plan import Loop
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import RunContext
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet.core.run.numpy_backend.whole_pass import WholePass, WholeTape, collect
from graphnet.core.run.row_masks import add


class Program(Protocol):
    """What this module needs of a :class:`ScanProgram`."""

    step: Loop
    keys: list[str]
    straight: bool
    draws: list[Any]
    finals_read: list[bool]
    initial_wanted: list[bool]

    def initial_states(self, slots: list[Any], run: RunContext) -> list[Array | None]: ...
    def draw(self, workspace: Any, run: RunContext) -> None: ...
    def reordered(self, array: Array, order: Array | None) -> Array: ...
    def restored(self, array: Array, order: Array | None) -> Array: ...
    def truncated(self, array: Array, lengths: Array | None) -> Array: ...


def forward(
    program: Program, executable: Executable, whole: WholePass, slots: list[Any], run: RunContext
) -> WholeTape | None:
    """Fill the slots of outputs and of the final states that are read; returns the values saved for backward."""
    step, straight, carried = program.step, program.straight, run.carried
    values = whole.load_weights(run.arrays)
    sequences = []
    for slot in step.sequences:
        sequences.append(slots[slot] if straight else program.reordered(slots[slot], None))
    states = program.initial_states(slots, run)
    if program.draws:
        program.draw(executable.workspace, run)
    wanted = program.finals_read if carried is None else [True] * len(states)
    outputs, finals, alive = whole.forward(sequences, states, wanted)
    for slot, array in zip(step.outputs, outputs, strict=True):
        slots[slot] = array if straight else program.restored(array, None)
    for k, state in enumerate(finals):
        if state is not None:
            slots[step.finals[k]] = state
            if carried is not None:
                carried.leave(program.keys[k], state)
    return WholeTape(whole, values, alive) if run.keep else None


def backward(program: Program, tape: WholeTape, errors: list[Any], run: RunContext) -> None:
    """Add to the errors of sequences and initial states, and to the gradients."""
    step, straight, carried = program.step, program.straight, run.carried
    arrived = False
    output_errors = []
    for slot in step.outputs:
        error = errors[slot]
        arrived = arrived or error is not None
        output_errors.append(error if straight or error is None else program.reordered(error, None))
    final_errors = [errors[slot] for slot in step.finals]
    if not arrived and all(error is None for error in final_errors):
        return
    sequences, states, gradients = tape.whole.backward(output_errors, final_errors, program.initial_wanted, tape.values)
    for slot, error in zip(step.sequences, sequences, strict=True):
        if error is not None:
            error = program.truncated(error, None)
            add(errors, slot, error if straight else program.restored(error, None))
    for key, initial, error in zip(program.keys, step.initial, states, strict=False):
        if initial is not None and error is not None:
            pulled = error if carried is None else carried.pulled(key, error)
            if pulled is not None:
                add(errors, initial, pulled)
    collect(gradients, run)
