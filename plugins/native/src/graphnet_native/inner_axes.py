"""Instructions on inner axes: units that are read several times, reductions of one axis, other orders of units.

A *line* is a run of units along the last axis of the instruction: there, each operand is either contiguous or one unit
for all. Its first unit determines where the operands are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphnet.core.compile.program import Expanded, Instruction, Operand, Scalar, unit_axes
from graphnet_native.frame import Frame
from graphnet_native.functions import apply, as_number
from graphnet_native.ir import I8, Value, floating, integer
from graphnet_native.sums import horizontal

#: ``result(instruction, values of operands)``: the value as its buffer holds it.
Result = Callable[[Instruction, list[Value]], Value]


def expanded(group: Sequence[Instruction]) -> list[Expanded]:
    """The operands of a group that are read several times."""
    return [o for each in group for o in each.operands if isinstance(o, Expanded)]


def fit(group: Sequence[Instruction]) -> bool:
    """Whether one loop over lines can compute all instructions of a group, which have one width."""
    forms = [o.form for o in expanded(group)]
    return not forms or unit_axes(group[0].output.width, forms) is not None


def attribute(instruction: Instruction) -> Any:
    """What an instruction says about its axes."""
    return instruction.attr


def _lines(frame: Frame, width: int, length: int, body: Callable[[Value, Value, Value], None]) -> None:
    """``body(first unit of the line, first unit, unit after the last)`` for the lines of this worker's units."""
    f = frame.f

    def part(_: Value, first: Value, count: Value) -> None:
        whole = frame.partition is None or frame.by_rows
        end = f.add(first, count)
        start = f.binary("udiv", first, integer(length))
        stop = integer(width // length) if whole else f.binary("udiv", f.add(end, length - 1), integer(length))

        def line(number: Value, _: list[Value]) -> None:
            origin = f.mul(number, length)
            after = f.add(origin, length)
            if whole:
                body(origin, origin, after)
                return
            low = f.select(f.compare("icmp slt", origin, first), first, origin)
            high = f.select(f.compare("icmp slt", end, after), end, after)
            body(origin, low, high)

        f.loop(integer(0) if whole else start, stop, 1, line)

    frame.shared(width, part)


def _span(frame: Frame, low: Value, high: Value, length: int, body: Callable[[Value, Value | None], None]) -> None:
    """``body(first number, mask)`` for vectors over the numbers from unit ``low`` to ``high`` of one row, or all."""
    f = frame.f
    whole = frame.partition is None or frame.by_rows
    count = integer(length) if whole else f.binary("sub", high, low)
    if frame.layout.rows_first:
        frame.span(low, count, body)
    else:
        frame.span(f.mul(frame.batch, low), f.mul(frame.batch, count), body)


# ---------------------------------------------------------------------- elementwise
def on_lines(frame: Frame, group: Sequence[Instruction], step: Value, result: Result) -> None:
    """All instructions of a group, some of whose operands are read several times."""
    f, width = frame.f, group[0].output.width
    axes = unit_axes(width, [o.form for o in expanded(group)])
    assert axes is not None
    length = axes[-1]
    operands = {o: None for each in group for o in (each.output, *each.operands) if not isinstance(o, Scalar)}
    pointers: dict[Operand, Value] = {operand: frame.address(operand, step) for operand in operands}
    single = [o for o in operands if isinstance(o, Expanded) and o.inner == 1]

    def line(at: Mapping[Operand, Value], origin: Value, low: Value, high: Value) -> None:
        here = dict(at)
        for operand in operands:
            if isinstance(operand, Expanded):
                here[operand] = _moved(frame, operand, at[operand], origin)
        if frame.layout.rows_first:
            splats = {o: _splat(frame, o, here[o]) for o in single}
            _span(frame, low, high, length, lambda n, mask: _compute(frame, group, here, n, mask, splats, result))
        elif single:

            def unit(u: Value, _: list[Value]) -> None:
                start = f.mul(frame.batch, u)

                def rows(b: Value, mask: Value | None) -> None:
                    ones = {o: _loaded(frame, o, here[o], b, mask) for o in single}
                    _compute(frame, group, here, f.add(start, b), mask, ones, result)

                frame.vectors(frame.batch, rows)

            f.loop(low, high, 1, unit)
        else:
            _span(frame, low, high, length, lambda n, mask: _compute(frame, group, here, n, mask, {}, result))

    _each(frame, pointers, lambda at: _lines(frame, width, length, lambda *ends: line(at, *ends)))


def _each(frame: Frame, pointers: Mapping[Operand, Value], body: Callable[[Mapping[Operand, Value]], None]) -> None:
    """``body`` for each row where rows come first, once for all otherwise."""
    if frame.layout.rows_first:
        frame.each_row(pointers, body)
    else:
        body(pointers)


def _moved(frame: Frame, operand: Expanded, pointer: Value, origin: Value) -> Value:
    """Where an operand is for a line: its one unit, or the place from which unit numbers count."""
    f, block = frame.f, operand.repeat * operand.inner
    outer = f.binary("udiv", origin, integer(block))
    if operand.inner == 1:
        units = outer
    else:
        inside = f.binary("urem", origin, integer(operand.inner))
        units = f.binary("sub", f.add(f.mul(outer, operand.inner), inside), origin)
    size = frame.bytes(operand)
    return f.offset(pointer, f.mul(units, size) if frame.layout.rows_first else f.mul(f.mul(frame.batch, size), units))


def _splat(frame: Frame, operand: Operand, pointer: Value) -> Value:
    f = frame.f
    if frame.boolean(operand):
        return f.splat(f.compare("icmp ne", f.load(I8, pointer), integer(0, I8)), frame.lanes)
    return f.splat(f.load(frame.dtype, pointer), frame.lanes)


def _loaded(frame: Frame, operand: Operand, pointer: Value, number: Value, mask: Value | None) -> Value:
    at = frame.f.offset(pointer, frame.f.mul(number, frame.bytes(operand)))
    return frame.load(at, mask, frame.boolean(operand))


def _compute(
    frame: Frame,
    group: Sequence[Instruction],
    at: Mapping[Operand, Value],
    number: Value,
    mask: Value | None,
    known: Mapping[Any, Value],
    result: Result,
) -> None:
    """All instructions of a group for one vector of numbers; ``known`` has operands that are loaded already."""
    f = frame.f
    values: dict[Operand, Value] = dict(known)

    def value(operand: Operand) -> Value:
        if operand not in values:
            if isinstance(operand, Scalar):
                values[operand] = floating(operand.value, frame.vector)
            else:
                values[operand] = _loaded(frame, operand, at[operand], number, mask)
        return values[operand]

    for instruction in group:
        values[instruction.output] = result(instruction, [value(o) for o in instruction.operands])
    for output in dict.fromkeys(instruction.output for instruction in group):
        frame.store(values[output], f.offset(at[output], f.mul(number, frame.bytes(output))), mask)


# ---------------------------------------------------------------------- reductions
def reduce_axis(frame: Frame, instruction: Instruction, step: Value) -> None:
    """A reduction of the axis in the middle of ``(outer, count, inner)`` units."""
    name, _, count, inner = attribute(instruction)
    (operand,), output = instruction.operands, instruction.output
    pointers: dict[Operand, Value] = {operand: frame.address(operand, step), output: frame.address(output, step)}
    if frame.layout.rows_first and inner == 1:
        _each(frame, pointers, lambda at: _contiguous(frame, instruction, name, count, at))
        return
    f, size = frame.f, frame.bytes(operand)
    unit = integer(1) if frame.layout.rows_first else frame.batch
    stride = f.mul(f.mul(unit, size), inner)

    def line(at: Mapping[Operand, Value], origin: Value, low: Value, high: Value) -> None:
        # Unit u of the result is at (o * inner + i), and its first term at (o * count * inner + i).
        source = f.offset(at[operand], f.mul(f.mul(unit, size), f.mul(origin, count - 1)))

        def body(number: Value, mask: Value | None) -> None:
            start = f.offset(source, f.mul(number, size))

            def term(place: Value) -> Value:
                return as_number(f, frame.load(place, mask, frame.boolean(operand)), frame.dtype.scalar)

            def add(_: Value, values: list[Value]) -> list[Value]:
                place = f.offset(values[0], stride)
                return [place, apply(f, name, [values[1], term(place)], frame.dtype.scalar)]

            total = f.loop(integer(1), integer(count), 1, add, [start, term(start)], sure=True)[1]
            frame.store(total, f.offset(at[output], f.mul(number, frame.dtype.bytes)), mask)

        _span(frame, low, high, inner, body)

    _each(frame, pointers, lambda at: _lines(frame, output.width, inner, lambda *ends: line(at, *ends)))


def _contiguous(frame: Frame, instruction: Instruction, name: str, count: int, at: Mapping[Operand, Value]) -> None:
    """The reduction of neighbouring units of one row, for each of this worker's results."""
    f, (operand,), output = frame.f, instruction.operands, instruction.output
    size, boolean = frame.bytes(operand), frame.boolean(operand)

    def combined(a: Value, b: Value) -> Value:
        return apply(f, name, [a, b], frame.dtype.scalar)

    def unit(u: Value, _: list[Value]) -> None:
        source = f.offset(at[operand], f.mul(u, size * count))

        def number(place: Value) -> Value:
            if boolean:
                flag = f.compare("icmp ne", f.load(I8, f.offset(source, place)), integer(0, I8))
                return as_number(f, flag, frame.dtype.scalar)
            return f.load(frame.dtype, f.offset(source, f.mul(place, size)))

        def vector(place: Value) -> Value:
            loaded = frame.load(f.offset(source, f.mul(place, size)), None, boolean)
            return as_number(f, loaded, frame.dtype.scalar)

        def add(i: Value, values: list[Value]) -> list[Value]:
            return [combined(values[0], vector(i))]

        whole = count // frame.lanes * frame.lanes
        if whole:
            lines = [vector(integer(0))]
            if whole > frame.lanes:
                lines = f.loop(integer(frame.lanes), integer(whole), frame.lanes, add, lines, sure=True)
            total, begin = horizontal(f, lines[0], combined), whole
        else:
            total, begin = number(integer(0)), 1
        if begin < count:
            (total,) = f.loop(integer(begin), integer(count), 1, lambda i, v: [combined(v[0], number(i))], [total])
        f.store(total, f.offset(at[output], f.mul(u, frame.dtype.bytes)))

    frame.shared(output.width, lambda _, first, many: f.loop(first, f.add(first, many), 1, unit))


# ---------------------------------------------------------------------- permutations
def permute(frame: Frame, instruction: Instruction, step: Value) -> None:
    """A copy of units with their axes in another order, unit by unit."""
    sizes, order = attribute(instruction)
    (operand,), output = instruction.operands, instruction.output
    f, size = frame.f, frame.bytes(operand)
    strides = [1] * len(sizes)
    for axis in range(len(sizes) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * sizes[axis + 1]
    pointers: dict[Operand, Value] = {operand: frame.address(operand, step), output: frame.address(output, step)}

    def unit(at: Mapping[Operand, Value], u: Value) -> None:
        source, below = integer(0), 1
        for axis in reversed(order):
            index = f.binary("urem", f.binary("udiv", u, integer(below)), integer(sizes[axis]))
            source, below = f.add(source, f.mul(index, strides[axis])), below * sizes[axis]
        if frame.layout.rows_first:
            kind = I8 if frame.boolean(operand) else frame.dtype
            f.store(f.load(kind, f.offset(at[operand], f.mul(source, size))), f.offset(at[output], f.mul(u, size)))
            return
        start, target = f.mul(frame.batch, source), f.mul(frame.batch, u)

        def rows(b: Value, mask: Value | None) -> None:
            value = _loaded(frame, operand, at[operand], f.add(start, b), mask)
            frame.store(value, f.offset(at[output], f.mul(f.add(target, b), size)), mask)

        frame.vectors(frame.batch, rows)

    def units(at: Mapping[Operand, Value]) -> None:
        def part(_: Value, first: Value, count: Value) -> None:
            f.loop(first, f.add(first, count), 1, lambda u, _: unit(at, u))

        frame.shared(output.width, part)

    _each(frame, pointers, units)
