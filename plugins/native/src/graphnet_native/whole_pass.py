"""Whole passes in one call: functions ``f(table)`` that do everything between the arrays of a caller.

``whole_forward``: packs, initial states, what is the same at every step, all blocks, final states. ``whole_backward``:
errors of final states, all blocks with their sums, errors of initial states, gradients. Denormal numbers count as zero
inside if the table says so (x86 only).

Where workers share a pass, the parts with work are tasks, one for each block; the calling thread does the others alone.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from graphnet.core.compile.program import BLOCK_BUFFER, Accumulator, BufferSlice, Operand, Program
from graphnet_native.borders import copy_rows, turn
from graphnet_native.frame import Frame
from graphnet_native.ir import I32, I64, PTR, Function, Module, Value, integer
from graphnet_native.parts import Maker, in_parts
from graphnet_native.table import Table
from graphnet_native.tiles import Tile, tiles

#: The parts that workers share.
TASKS = ("pack", "forward", "backward", "sums")


def emit(module: Module, program: Program, table: Table, make: Maker, shared: bool = False) -> None:
    """Define the functions of whole passes, and the parts that they call."""

    states = [(place, replace(place, shift=0)) for place in program.states]
    carried = [replace(place, shift=0) for place in program.carried]
    make("enter_states", lambda frame: _enter(frame, table.initial, [old for _, old in states], frame.start))
    make("leave_states", lambda frame: _leave(frame, table.final, program.states, _last(frame)))
    make("carry_states", _carry)
    make("enter_errors", lambda frame: _enter(frame, table.final_error, carried, _last(frame)))
    make("leave_errors", lambda frame: _leave(frame, table.initial_error, program.carried, frame.start))
    accumulators, gradients = list(enumerate(program.accumulators)), list(enumerate(program.gradients))
    make("clear_sums", lambda frame: in_parts(frame, make, accumulators, _clear))
    make("write_gradients", lambda frame: in_parts(frame, make, gradients, _write_gradient))
    carries = any(program.buffers[new.buffer].kind == BLOCK_BUFFER for new, _ in states)
    _forward(_Pass(module, "whole_forward", table, shared), carries)
    _backward(_Pass(module, "whole_backward", table, shared))


# ---------------------------------------------------------------------- the two functions
class _Pass:
    """A function ``f(table)`` that calls parts one after the other, while it is built."""

    def __init__(self, module: Module, name: str, table: Table, shared: bool) -> None:
        self.f = f = module.function(name, [PTR])
        (self.entries,) = f.parameters
        self._table, self._shared = table, shared
        if shared:
            self._team, self._share = (f.load(PTR, f.offset(self.entries, 8 * (table.team + i))) for i in range(2))
            self._workers = f.load(I64, f.offset(self.entries, 8 * (table.team + 2)))
        self.restore = _set_mode(f, f.load(I64, f.offset(self.entries, table.mode * 8)))
        self.counted = f.load(I64, f.offset(self.entries, table.counted * 8))
        self._bounds = f.load(PTR, f.offset(self.entries, table.bounds * 8))
        #: The number of blocks, the number of steps, and where the last block starts.
        self.blocks = f.load(I64, f.offset(self.entries, table.blocks * 8))
        end = f.offset(self._bounds, f.mul(self.blocks, 8))
        self.steps, self.last = f.load(I64, end), f.load(I64, f.offset(end, -8))

    def bounds(self, number: Value) -> tuple[Value, Value]:
        """The first step of a block, and the one after its last."""
        place = self.f.offset(self._bounds, self.f.mul(number, 8))
        return self.f.load(I64, place), self.f.load(I64, self.f.offset(place, 8))

    def run(self, name: str, start: Value, stop: Value, origin: Value) -> None:
        """Call a part."""
        span = (self.entries, start, stop, origin)
        if not self._shared:
            self.f.run(name, *span)
        elif name in TASKS:
            record = self.f.offset(self.entries, 8 * (self._table.record + TASKS.index(name)))
            arguments = (self._team, Value(PTR, f"@{name}"), *span, self._workers, record)
            self.f.lines.append(f"  call void {self._share.name}({', '.join(map(str, arguments))})")
        else:
            self.f.run(name, *span, self._team, integer(0), integer(1))


def _forward(whole: _Pass, carries: bool) -> None:
    f, zero = whole.f, integer(0)
    whole.run("pack", zero, zero, zero)
    whole.run("enter_states", zero, whole.steps, zero)
    whole.run("static", zero, integer(1), zero)

    def block(number: Value, _: list[Value]) -> None:
        start, stop = whole.bounds(number)
        whole.run("forward", start, stop, start)
        if carries:
            more = f.compare("icmp slt", stop, whole.steps)
            f.when(more, lambda: whole.run("carry_states", start, stop, start))

    f.loop(zero, whole.blocks, 1, block)
    whole.run("leave_states", zero, whole.steps, whole.last)
    whole.restore()


def _backward(whole: _Pass) -> None:
    f, zero = whole.f, integer(0)
    whole.run("enter_errors", zero, whole.steps, whole.last)
    whole.run("clear_sums", zero, whole.steps, zero)

    def block(number: Value, _: list[Value]) -> None:
        start, stop = whole.bounds(number)
        whole.run("backward", start, stop, start)
        first = f.select(f.compare("icmp slt", start, whole.counted), whole.counted, start)
        f.when(f.compare("icmp slt", first, stop), lambda: whole.run("sums", first, stop, start))

    f.loop(f.add(whole.blocks, -1), integer(-1), -1, block)
    whole.run("leave_errors", zero, whole.steps, zero)
    whole.run("write_gradients", zero, whole.steps, zero)
    whole.restore()


def _set_mode(f: Function, bits: Value) -> Callable[[], None]:
    """Set bits of the floating-point mode; returns what emits the code that restores it."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return lambda: None
    before, during = (f.emit(PTR, "alloca i32, align 4") for _ in range(2))
    f.run("llvm.x86.sse.stmxcsr", before)
    wanted = f.binary("or", f.load(I32, before), f.emit(I32, f"trunc {bits} to i32"))
    f.store(wanted, during)
    f.run("llvm.x86.sse.ldmxcsr", during)
    return lambda: f.run("llvm.x86.sse.ldmxcsr", before)


# ---------------------------------------------------------------------- their parts
def _last(frame: Frame) -> Value:
    return frame.f.add(frame.stop, -1)


def _address(frame: Frame, entry: int) -> Value:
    """An entry of the table behind those that every frame loads."""
    return frame.f.load(I64, frame.f.offset(frame.f.parameters[0], entry * 8))


def _enter(frame: Frame, first: int, places: Sequence[BufferSlice], step: Value) -> None:
    """Fill slices from arrays with rows first, or with zeros."""
    for number, place in enumerate(places):
        f, given, target = frame.f, _address(frame, first + number), frame.address(place, step)
        f.when(
            f.compare("icmp ne", given, integer(0)),
            partial(_read, frame, given, target, place),
            partial(_zero_state, frame, target, place),
        )


def _read(frame: Frame, given: Value, target: Value, place: BufferSlice) -> None:
    source = _pointer(frame, given)
    if frame.layout.rows_first:
        _copy_state(frame, (source, target), (place.width * frame.dtype.bytes, frame.pitch(place)), place.width)
    else:
        turn(frame, source, target, frame.batch, integer(place.width))


def _copy_state(frame: Frame, arrays: tuple[Value, Value], pitches: tuple[int, ...], width: int) -> None:
    copy_rows(frame, arrays, pitches, frame.batch, width)


def _zero_state(frame: Frame, target: Value, place: BufferSlice) -> None:
    if not frame.layout.rows_first:
        _zero(frame, target, frame.f.mul(frame.batch, place.width))
        return
    pointers: dict[Operand, Value] = {place: target}
    frame.each_row(pointers, lambda at: _zero(frame, at[place], integer(place.width)))


def _leave(frame: Frame, first: int, places: Sequence[BufferSlice], step: Value) -> None:
    """Copy slices to arrays with rows first, where they are wanted."""
    for number, place in enumerate(places):
        f, wanted, source = frame.f, _address(frame, first + number), frame.address(place, step)
        f.when(f.compare("icmp ne", wanted, integer(0)), partial(_write, frame, source, wanted, place))


def _write(frame: Frame, source: Value, wanted: Value, place: BufferSlice) -> None:
    target = _pointer(frame, wanted)
    if frame.layout.rows_first:
        _copy_state(frame, (source, target), (frame.pitch(place), place.width * frame.dtype.bytes), place.width)
    else:
        turn(frame, source, target, integer(place.width), frame.batch)


def _carry(frame: Frame) -> None:
    """Copy states in buffers of one block from its end to the beginning of the next one."""
    for place in frame.program.states:
        if frame.program.buffers[place.buffer].kind == BLOCK_BUFFER:
            target = frame.address(replace(place, shift=0), frame.start)
            source = frame.address(place, _last(frame))
            if frame.layout.rows_first:
                _copy_state(frame, (source, target), (frame.pitch(place), frame.pitch(place)), place.width)
            else:
                _copy(frame, source, target, frame.f.mul(frame.batch, place.width))


def _clear(frame: Frame, numbered: tuple[int, Accumulator]) -> None:
    number, accumulator = numbered
    target = frame.entry(frame.table.accumulator + number)
    _zero(frame, target, integer(accumulator.rows * accumulator.columns))


def _write_gradient(frame: Frame, numbered: tuple[int, tuple[tuple[str, str], int]]) -> None:
    """Copy parts of the accumulators to a gradient if it is wanted."""
    f, (number, (_, expression)) = frame.f, numbered
    parts = tiles(frame.program, expression)
    if parts is not None:
        wanted = _address(frame, frame.table.gradient + number)
        f.when(f.compare("icmp ne", wanted, integer(0)), partial(_write_tiles, frame, parts, wanted))


def _write_tiles(frame: Frame, parts: Sequence[Tile], address: Value) -> None:
    for tile in parts:
        _write_tile(frame, tile, _pointer(frame, address))


def _write_tile(frame: Frame, tile: Tile, gradient: Value) -> None:
    f, size, part = frame.f, frame.dtype.bytes, tile.source
    columns, rows, width = frame.program.accumulators[part.accumulator].columns, tile.rows, tile.width
    source = frame.entry(frame.table.accumulator + part.accumulator)
    source = f.offset(source, (part.rows[0] * columns + part.columns[0]) * size)
    target = f.offset(gradient, tile.start * size)
    if rows == 1 or width == columns == tile.pitch:
        _copy(frame, source, target, integer(rows * width))
        return

    def row(i: Value, _: list[Value]) -> None:
        to = f.offset(target, f.mul(i, tile.pitch * size))
        _copy(frame, f.offset(source, f.mul(i, columns * size)), to, integer(width))

    f.loop(integer(0), integer(rows), 1, row)


def _pointer(frame: Frame, address: Value) -> Value:
    return frame.f.emit(PTR, f"inttoptr {address} to ptr")


def _copy(frame: Frame, source: Value, target: Value, count: Value) -> None:
    name, size = f"copy_numbers_{frame.vector.mangled}", frame.dtype.bytes
    if name not in frame.module.functions:
        f = frame.module.function(name, [PTR, PTR, I64], internal=True)
        a, b, numbers = f.parameters

        def vector(i: Value, mask: Value | None) -> None:
            at = f.mul(i, size)
            frame.store(frame.load(f.offset(a, at), mask), f.offset(b, at), mask)

        with frame.into(f):
            frame.vectors(numbers, vector)
    frame.f.run(name, source, target, count)


def _zero(frame: Frame, target: Value, count: Value) -> None:
    name, zeros = f"clear_numbers_{frame.vector.mangled}", Value(frame.vector, "zeroinitializer")
    if name not in frame.module.functions:
        f = frame.module.function(name, [PTR, I64], internal=True)
        a, numbers = f.parameters
        with frame.into(f):
            size = frame.dtype.bytes
            frame.vectors(numbers, lambda i, mask: frame.store(zeros, f.offset(a, f.mul(i, size)), mask))
    frame.f.run(name, target, count)
