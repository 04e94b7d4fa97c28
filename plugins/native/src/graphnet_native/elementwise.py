"""Elementwise instructions, several of one width in one loop, and reductions over the units."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from graphnet.core.compile.program import Instruction, Operand, Scalar
from graphnet_native import inner_axes
from graphnet_native.frame import Frame
from graphnet_native.functions import FLOATS, RELATIONS, apply, as_number
from graphnet_native.fusion import plain
from graphnet_native.ir import I8, I64, PTR, Type, Value, floating, integer
from graphnet_native.partition import APART
from graphnet_native.sums import horizontal


class Unsupported(Exception):
    """An instruction that has no native code; its program runs on numpy."""


#: Every operation that :func:`graphnet_native.functions.apply` knows.
KNOWN = frozenset(
    (*FLOATS, *RELATIONS, "where", "copy", "isnan", "isfinite", "logical_and", "logical_or", "logical_not")
)
#: Operations by which units are reduced.
REDUCTIONS = frozenset(("add", "multiply", "maximum", "minimum", "fmax", "fmin"))


def check(instruction: Instruction) -> None:
    """Refuse an instruction that has no code.

    Raises
    ------
    Unsupported
    """
    if instruction.name == "reduce" and instruction.attr not in REDUCTIONS:
        raise Unsupported(f"a reduction by {instruction.attr} has no native code")
    if instruction.name == "reduce_axis" and instruction.attr[0] not in REDUCTIONS:  # type: ignore[index]
        raise Unsupported(f"a reduction by {instruction.attr[0]} has no native code")  # type: ignore[index]
    if instruction.name not in KNOWN and instruction.name not in APART:
        raise Unsupported(f"{instruction.name} has no native code")


def compute(frame: Frame, group: list[Instruction], step: Value) -> None:
    """Emit a group at one step."""
    if group[0].name == "reduce":
        _reduce(frame, group[0], step)
    elif group[0].name == "reduce_axis":
        inner_axes.reduce_axis(frame, group[0], step)
    elif group[0].name == "permute":
        inner_axes.permute(frame, group[0], step)
    elif inner_axes.expanded(group):
        inner_axes.on_lines(frame, group, step, lambda instruction, args: _result(frame, instruction, args))
    elif plain(frame, group[0]):
        _together(frame, group, step)
    elif frame.layout.rows_first:
        _repeated_units(frame, group[0], step)
    else:
        _repeated_rows(frame, group[0], step)


def _result(frame: Frame, instruction: Instruction, args: list[Value]) -> Value:
    """The result of an instruction as its buffer holds it."""
    result = apply(frame.f, instruction.name, args, frame.dtype.scalar)
    if frame.boolean(instruction.output):
        if result.type.scalar != "i1":
            raise Unsupported(f"{instruction.name} gives numbers where truth values are stored")
        return result
    return as_number(frame.f, result, frame.dtype.scalar)


def _together(frame: Frame, group: list[Instruction], step: Value) -> None:
    """All instructions of a group in one loop; what one computes, the next reads from a register."""
    f = frame.f
    operands = {o: None for each in group for o in (each.output, *each.operands) if not isinstance(o, Scalar)}
    pointers: dict[Operand, Value] = {operand: frame.address(operand, step) for operand in operands}
    if not frame.calls_loops:
        frame.unit_vectors(group[0].output.width, pointers, lambda at, first, mask: _at(frame, group, at, first, mask))
        return
    name = _loop_function(frame, group, list(pointers))

    def part(_: Value, first: Value, count: Value) -> None:
        if frame.layout.rows_first:
            frame.each_row(pointers, lambda row: f.run(name, *row.values(), first, count))
        else:
            f.run(name, *pointers.values(), f.mul(frame.batch, first), f.mul(frame.batch, count))

    frame.shared(group[0].output.width, part)


def _at(
    frame: Frame, group: list[Instruction], pointers: Mapping[Operand, Value], first: Value, mask: Value | None
) -> None:
    """All instructions of a group for one vector of numbers."""
    f = frame.f
    values: dict[Operand, Value] = {}

    def value(operand: Operand) -> Value:
        if operand not in values:
            if isinstance(operand, Scalar):
                values[operand] = floating(operand.value, frame.vector)
            else:
                at = f.offset(pointers[operand], f.mul(first, frame.bytes(operand)))
                values[operand] = frame.load(at, mask, frame.boolean(operand))
        return values[operand]

    for instruction in group:
        values[instruction.output] = _result(frame, instruction, [value(o) for o in instruction.operands])
    for output in dict.fromkeys(instruction.output for instruction in group):
        frame.store(values[output], f.offset(pointers[output], f.mul(first, frame.bytes(output))), mask)


def _loop_function(frame: Frame, group: list[Instruction], operands: list[Operand]) -> str:
    """Define ``f(addresses of the operands, first number, numbers)``, the loop of a group; returns its name.

    Groups of the program that compute the same of different operands share it. It belongs to the program's own object:
    in objects of their own, as products are, such loops compile no faster and leave hundreds of files in the cache.
    """
    numbers = {operand: k for k, operand in enumerate(operands)}

    def described(operand: Operand) -> object:
        return operand if isinstance(operand, Scalar) else (numbers[operand], frame.boolean(operand))

    steps = [(i.name, described(i.output), [described(o) for o in i.operands]) for i in group]
    signature = repr((frame.vector, frame.module.fused, steps))
    name = f"group_{sha256(signature.encode()).hexdigest()[:24]}"
    if name not in frame.module.functions:
        kernel = frame.module.function(name, [*[PTR] * len(operands), I64, I64])
        *addresses, start, count = kernel.parameters
        pointers = dict(zip(operands, addresses, strict=True))
        with frame.into(kernel):
            frame.vectors(count, lambda i, mask: _at(frame, group, pointers, kernel.add(start, i), mask))
    return name


def _repeated_units(frame: Frame, instruction: Instruction, step: Value) -> None:
    """Where rows come first: an operand of one unit is one number for all units of a row."""
    f, output = frame.f, instruction.output
    operands: tuple[Operand, ...] = (output, *instruction.operands)
    pointers: dict[Operand, Value] = {o: frame.address(o, step) for o in operands if not isinstance(o, Scalar)}

    def body(at: Mapping[Operand, Value], first: Value, mask: Value | None) -> None:
        args = []
        for operand in instruction.operands:
            if isinstance(operand, Scalar):
                args.append(floating(operand.value, frame.vector))
                continue
            source, boolean = at[operand], frame.boolean(operand)
            if frame.width(operand) == output.width:
                args.append(frame.load(f.offset(source, f.mul(first, frame.bytes(operand))), mask, boolean))
            elif boolean:
                args.append(f.splat(f.compare("icmp ne", f.load(I8, source), integer(0, I8)), frame.lanes))
            else:
                args.append(f.splat(f.load(frame.dtype, source), frame.lanes))
        frame.store(_result(frame, instruction, args), f.offset(at[output], f.mul(first, frame.bytes(output))), mask)

    frame.unit_vectors(output.width, pointers, body)


def _repeated_rows(frame: Frame, instruction: Instruction, step: Value) -> None:
    """For several rows: an operand of one unit is the same row of numbers for every unit."""
    f, output = frame.f, instruction.output
    pointers = [None if isinstance(o, Scalar) else frame.address(o, step) for o in (output, *instruction.operands)]

    def unit(u: Value, _: list[Value]) -> None:
        start = f.mul(frame.batch, u)

        def body(first: Value, mask: Value | None) -> None:
            args = []
            for operand, pointer in zip(instruction.operands, pointers[1:], strict=True):
                if isinstance(operand, Scalar) or pointer is None:
                    args.append(floating(operand.value, frame.vector))  # type: ignore[union-attr]
                    continue
                number = f.add(start, first) if frame.width(operand) == output.width else first
                at = f.offset(pointer, f.mul(number, frame.bytes(operand)))
                args.append(frame.load(at, mask, frame.boolean(operand)))
            result = _result(frame, instruction, args)
            assert pointers[0] is not None
            frame.store(result, f.offset(pointers[0], f.mul(f.add(start, first), frame.bytes(output))), mask)

        frame.vectors(frame.batch, body)

    frame.shared(output.width, lambda _, first, count: f.loop(first, f.add(first, count), 1, unit))


def _reduce(frame: Frame, instruction: Instruction, step: Value) -> None:
    """A reduction over the units, one after the other, by the worker that has the unit of the result."""
    f = frame.f

    def mine(_: Value, first: Value, count: Value) -> None:
        f.when(f.compare("icmp ne", count, integer(0)), lambda: _reduced(frame, instruction, step))

    frame.shared(instruction.output.width, mine)


def _reduced(frame: Frame, instruction: Instruction, step: Value) -> None:
    f = frame.f
    (operand,) = instruction.operands
    name, size = str(instruction.attr), frame.bytes(operand)
    source, target = frame.address(operand, step), frame.address(instruction.output, step)
    units = integer(frame.width(operand))

    def combined(a: Value, b: Value) -> list[Value]:
        return [apply(f, name, [a, b], frame.dtype.scalar)]

    if frame.layout.rows_first:
        output = instruction.output
        pointers: dict[Operand, Value] = {operand: source, output: target}
        frame.each_row(pointers, lambda at: f.store(_row_reduced(frame, name, operand, at[operand]), at[output]))
        return

    def body(first: Value, mask: Value | None) -> None:
        at = f.offset(source, f.mul(first, size))

        def row(u: Value) -> Value:
            values = frame.load(f.offset(at, f.mul(f.mul(frame.batch, size), u)), mask, frame.boolean(operand))
            return as_number(f, values, frame.dtype.scalar)

        (total,) = f.loop(integer(1), units, 1, lambda u, v: combined(v[0], row(u)), [row(integer(0))])
        frame.store(total, f.offset(target, f.mul(first, frame.dtype.bytes)), mask)

    frame.vectors(frame.batch, body)


def _row_reduced(frame: Frame, name: str, operand: Operand, source: Value) -> Value:
    """The reduction of one row whose units are neighbours: lane by lane, then the lanes, then the units left over."""
    f, size, units = frame.f, frame.bytes(operand), frame.width(operand)

    def combined(a: Value, b: Value) -> Value:
        return apply(f, name, [a, b], frame.dtype.scalar)

    def loaded(at: Value, kind: Type) -> Value:
        place = f.offset(source, f.mul(at, size))
        if not frame.boolean(operand):
            return f.load(kind, place)
        flags = f.load(kind.of("i8"), place)
        zeros = Value(flags.type, "zeroinitializer") if kind.lanes else integer(0, I8)
        return as_number(f, f.compare("icmp ne", flags, zeros), kind.scalar)

    whole = units // frame.lanes * frame.lanes
    left, total = integer(0), None
    if whole:
        first = [loaded(integer(0), frame.vector)]
        (lines,) = f.loop(integer(frame.lanes), integer(whole), frame.lanes,
                          lambda u, v: [combined(v[0], loaded(u, frame.vector))], first)  # fmt: skip
        left, total = integer(whole), horizontal(f, lines, combined)
    if total is None:
        left, total = integer(1), loaded(integer(0), frame.dtype)
    return f.loop(left, integer(units), 1, lambda u, v: [combined(v[0], loaded(u, frame.dtype))], [total])[0]
