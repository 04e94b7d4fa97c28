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
from graphnet_native.ir import I64, PTR, Value, integer
from graphnet_native.transposition import transpose

#: Phases of the backward pass.
BACKWARD = (BACK_BEFORE, BACK_LOOP, BACK_AFTER)


def turn(frame: Frame, source: Value, target: Value, rows: Value, columns: Value) -> None:
    """Transpose one matrix without gaps into another."""
    f, size = frame.f, frame.dtype.bytes
    name = transpose(frame.module, frame.dtype)
    f.run(name, source, f.mul(columns, size), target, f.mul(rows, size), rows, columns)


def copy_rows(frame: Frame, arrays: tuple[Value, Value], pitches: tuple[int, ...], rows: Value, width: int) -> None:
    """Copy ``width`` numbers of each row from one array to another, with bytes from row to row of both."""
    f, size = frame.f, frame.dtype.bytes
    name = f"copy_rows_{frame.vector.mangled}"
    if name not in frame.module.functions:
        g = frame.module.function(name, [PTR, I64, PTR, I64, I64, I64], internal=True)
        source, source_row, target, target_row, count, numbers = g.parameters

        def row(_: Value, at: list[Value]) -> list[Value]:
            def vector(i: Value, mask: Value | None) -> None:
                shift = g.mul(i, size)
                frame.store(frame.load(g.offset(at[0], shift), mask), g.offset(at[1], shift), mask)

            frame.vectors(numbers, vector)
            return [g.offset(at[0], source_row), g.offset(at[1], target_row)]

        with frame.into(g):
            g.loop(integer(0), count, 1, row, [source, target])
    if pitches == (width * size, width * size):  # no gaps: one long row
        f.run(name, arrays[0], integer(0), arrays[1], integer(0), integer(1), f.mul(rows, width))
    else:
        f.run(name, arrays[0], integer(pitches[0]), arrays[1], integer(pitches[1]), rows, integer(width))


def stage(frame: Frame, phase: str) -> None:
    """Bring sequences, or the errors of outputs, into the buffers for the steps of a block."""
    for name, attr, place, when in frame.program.staged:
        if name in ("sequence", "emitted_error") and when == phase:
            _read(frame, ExternalArray(name, int(attr), place.width), place)
    if not frame.layout.rows_first:
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
    if frame.layout.rows_first:
        _copy_steps(frame, array, target, frame.table.external + number, reading=True)
        return

    def step(t: Value, _: list[Value]) -> None:
        source = f.offset(frame.entry(frame.table.external + number), f.mul(stride, t))
        turn(frame, source, frame.address(target, t), frame.batch, integer(array.width))

    f.loop(frame.own_start, frame.own_stop, 1, step)


def _write(frame: Frame, source: BufferSlice | ExternalArray, entry: int) -> None:
    f = frame.f
    stride = f.mul(frame.row, source.width)
    if frame.layout.rows_first:
        _copy_steps(frame, ExternalArray("", 0, source.width), source, entry, reading=False)
        return

    def step(t: Value, _: list[Value]) -> None:
        target = f.offset(frame.entry(entry), f.mul(stride, t))
        turn(frame, frame.address(source, t), target, integer(source.width), frame.batch)

    f.loop(frame.own_start, frame.own_stop, 1, step)


def _copy_steps(
    frame: Frame, array: ExternalArray, place: BufferSlice | ExternalArray, entry: int, reading: bool
) -> None:
    """Copy the steps of an external array to a buffer or back where rows come first: each worker its steps or rows."""
    f, pitches = frame.f, (frame.pitch(array), frame.pitch(place))

    def some(step: Value, rows: Value) -> None:
        row = f.add(f.mul(frame.batch, step), frame.first_row)
        outside, inside = f.offset(frame.entry(entry), f.mul(row, pitches[0])), frame.address(place, step)
        if reading:
            copy_rows(frame, (outside, inside), pitches, rows, array.width)
        else:
            copy_rows(frame, (inside, outside), pitches[::-1], rows, array.width)

    if frame.by_rows:
        f.loop(frame.start, frame.stop, 1, lambda t, _: some(t, frame.rows))
    else:
        some(frame.own_start, f.mul(f.binary("sub", frame.own_stop, frame.own_start), frame.batch))


def write_outputs(frame: Frame) -> None:
    """Copy the outputs of the steps of a block."""
    for number, place in enumerate(frame.program.emitted):
        _write(frame, place, frame.table.output + number)


def write_sequence_errors(frame: Frame) -> None:
    """Copy the errors of sequences of the steps of a block."""
    for index, place in enumerate(frame.program.sequence_errors):
        if place is None or (frame.layout.rows_first and isinstance(place, ExternalArray)):
            continue
        array = ExternalArray("sequence_error", index, place.width)
        _write(frame, place, frame.table.external + frame.table.externals.index(array))
