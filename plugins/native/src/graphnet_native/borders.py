"""Between the arrays of a pass, rows first, and the buffers, units first."""

from __future__ import annotations

from graphnet.core.compile.program import (
    BACK_AFTER,
    BACK_BEFORE,
    BACK_LOOP,
    BufferSlice,
    ExternalArray,
)
from graphnet_native.frame import Frame
from graphnet_native.ir import Value, integer
from graphnet_native.transposition import transpose

#: Phases of the backward pass.
BACKWARD = (BACK_BEFORE, BACK_LOOP, BACK_AFTER)


def turn(frame: Frame, source: Value, target: Value, rows: Value, columns: Value) -> None:
    """Transpose one matrix without gaps into another."""
    f, size = frame.f, frame.dtype.bytes
    name = transpose(frame.module, frame.dtype)
    f.run(name, source, f.mul(columns, size), target, f.mul(rows, size), rows, columns)


def stage(frame: Frame, phase: str) -> None:
    """Bring sequences, or the errors of outputs, into the buffers for the steps of a block."""
    for name, attr, place, when in frame.program.staged:
        if name in ("sequence", "emitted_error") and when == phase:
            _read(frame, ExternalArray(name, int(attr), place.width), place)
    if not frame.single:
        for operand in _operands(frame, phase == BACK_BEFORE):
            _read(frame, operand, operand)


def _operands(frame: Frame, backward: bool) -> dict[ExternalArray, None]:
    """The external arrays that instructions of a direction, and accumulators, read directly."""
    program = frame.program
    found: dict[ExternalArray, None] = {}
    for instruction in program.instructions:
        if (instruction.phase in BACKWARD) == backward:
            found.update((o, None) for o in instruction.operands if isinstance(o, ExternalArray))
    if backward:
        for accumulator in program.accumulators:
            sides = (accumulator.right, *(term.left for term in accumulator.terms))
            found.update((side, None) for side in sides if isinstance(side, ExternalArray))
    return {operand: None for operand in found if operand.name != "sequence_error"}


def _read(frame: Frame, array: ExternalArray, target: BufferSlice | ExternalArray) -> None:
    f = frame.f
    number, stride = frame.table.externals.index(array), f.mul(frame.row, array.width)

    def step(t: Value, _: list[Value]) -> None:
        source = f.offset(frame.entry(frame.table.external + number), f.mul(stride, t))
        turn(frame, source, frame.address(target, t), frame.batch, integer(array.width))

    f.loop(frame.own_start, frame.own_stop, 1, step)


def _write(frame: Frame, source: BufferSlice | ExternalArray, entry: int) -> None:
    f = frame.f
    stride = f.mul(frame.row, source.width)

    def step(t: Value, _: list[Value]) -> None:
        target = f.offset(frame.entry(entry), f.mul(stride, t))
        turn(frame, frame.address(source, t), target, integer(source.width), frame.batch)

    f.loop(frame.own_start, frame.own_stop, 1, step)


def write_outputs(frame: Frame) -> None:
    """Copy the outputs of the steps of a block."""
    for number, place in enumerate(frame.program.emitted):
        _write(frame, place, frame.table.output + number)


def write_sequence_errors(frame: Frame) -> None:
    """Copy the errors of sequences of the steps of a block."""
    for index, place in enumerate(frame.program.sequence_errors):
        if place is None or (frame.single and isinstance(place, ExternalArray)):
            continue
        array = ExternalArray("sequence_error", index, place.width)
        _write(frame, place, frame.table.external + frame.table.externals.index(array))
