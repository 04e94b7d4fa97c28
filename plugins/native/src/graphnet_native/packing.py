"""Packing of weights, natively: from the arrays of parameters, as they are, to the packs of a program.

A part of a pack that is no block of one weight is computed by numpy first, and read from there like a weight.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphnet.core.compile.program import Program
from graphnet.core.run.numpy_backend.pack_plan import PackPart, WeightBlock, pack_parts, pack_shape
from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, floating, integer
from graphnet_native.transposition import transpose


@dataclass(frozen=True, slots=True)
class Source:
    """An array that packs are filled from.

    Attributes
    ----------
    weight : (str, str) or None
        Layer and name of a weight; None for a computed value.
    value : int
        The number of the expression of a computed value, else -1.
    shape : (int, int)
    """

    weight: tuple[str, str] | None
    value: int
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Packing:
    """What fills the packs of a program: parts, each with its source and the block of it."""

    sources: tuple[Source, ...]
    parts: tuple[tuple[PackPart, int, WeightBlock], ...]


def plan(program: Program) -> Packing:
    """The packing of a program."""
    sources: dict[Source, int] = {}
    parts = []
    for part in pack_parts(program):
        if part.source is not None:
            block, shape = part.source, _matrix(_weight_shape(program, part.source.weight))
            source = Source(block.weight, -1, shape)
        else:
            outputs, inputs = (end - start for start, end in (part.rows, part.columns))
            shape = (1, outputs) if program.packs[part.pack].form == "units" else (inputs, outputs)
            block = WeightBlock(("", ""), (0, shape[0]), (0, shape[1]))
            source = Source(None, part.value, shape)
        parts.append((part, sources.setdefault(source, len(sources)), block))
    return Packing(tuple(sources), tuple(parts))


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    return (shape[0], shape[1]) if len(shape) == 2 else (1, shape[0])


def _weight_shape(program: Program, weight: tuple[str, str]) -> tuple[int, ...]:
    return next(e.shape for e in program.expressions if e.name == "weight" and e.attr == weight)


def emit_part(
    f: Function, program: Program, part: PackPart, block: WeightBlock, source: Value, target: Value,
    dtype: Type, rows: int, batch: Value,
) -> None:  # fmt: skip
    """Emit the copy of one part.

    ``rows`` is the height of the panels of matrices; 0 where a matrix is stored inputs first. Vectors are repeated
    ``batch`` times.
    """
    size, module = dtype.bytes, f.module
    shape = _matrix(_weight_shape(program, block.weight)) if part.source else (0, block.columns[1])
    row = shape[1] * size
    source = f.offset(source, block.rows[0] * row + block.columns[0] * size)
    factor = floating(block.factor, dtype)
    count = part.rows[1] - part.rows[0]
    if program.packs[part.pack].form == "units":
        step = integer(row if block.flipped else size)
        place = f.offset(target, f.mul(batch, part.rows[0] * size))
        f.run(spread(module, dtype), source, step, place, integer(count), batch, factor)
        return
    outputs, inputs = pack_shape(program, part.pack)
    depth = integer(part.columns[1] - part.columns[0])
    if rows:
        target = f.offset(target, part.columns[0] * rows * size)
        name = panels(module, dtype, rows, block.flipped)
        sizes = (integer(part.rows[0]), integer(part.rows[1]), depth, integer(inputs * rows * size))
        f.run(name, source, integer(row), target, *sizes, factor)
        return
    line = integer(outputs * size)
    target = f.offset(target, (part.columns[0] * outputs + part.rows[0]) * size)
    if block.flipped:
        name = transpose(module, dtype, scaled=True)
        f.run(name, source, integer(row), target, line, integer(count), depth, factor)
    else:
        f.run(copy(module, dtype), source, integer(row), target, line, depth, integer(count), factor)


def spread(module: Module, dtype: Type) -> str:
    """Define ``f(x, step bytes, target, units, batch, factor)``: each number times the factor, ``batch`` times; returns
    its name.
    """
    name = f"spread_{dtype.mangled}"
    if name not in module.functions:
        f = module.function(name, [PTR, I64, PTR, I64, I64, dtype], internal=True)
        source, step, target, units, batch, factor = f.parameters
        lanes, size = module.vector_bytes // dtype.bytes, dtype.bytes
        whole = f.binary("and", batch, integer(-lanes))

        def unit(u: Value, _: list[Value]) -> None:
            one = f.binary("fmul", f.load(dtype, f.offset(source, f.mul(step, u))), factor)
            line, place = f.splat(one, lanes), f.offset(target, f.mul(f.mul(batch, size), u))
            f.loop(integer(0), whole, lanes, lambda b, _: f.store(line, f.offset(place, f.mul(b, size))))
            f.loop(whole, batch, 1, lambda b, _: f.store(one, f.offset(place, f.mul(b, size))))

        f.loop(integer(0), units, 1, unit)
    return name


def copy(module: Module, dtype: Type) -> str:
    """Define ``f(source, row bytes, target, row bytes, rows, columns, factor)``; returns its name."""
    name = f"copy_{dtype.mangled}"
    if name not in module.functions:
        f = module.function(name, [PTR, I64, PTR, I64, I64, I64, dtype], internal=True)
        source, source_row, target, target_row, rows, columns, factor = f.parameters
        lanes, size = module.vector_bytes // dtype.bytes, dtype.bytes
        wide, whole = f.splat(factor, lanes), f.binary("and", columns, integer(-lanes))

        def line(r: Value, _: list[Value]) -> None:
            a, b = f.offset(source, f.mul(source_row, r)), f.offset(target, f.mul(target_row, r))

            def numbers(c: Value, kind: Type, by: Value) -> None:
                at = f.mul(c, size)
                f.store(f.binary("fmul", f.load(kind, f.offset(a, at)), by), f.offset(b, at))

            f.loop(integer(0), whole, lanes, lambda c, _: numbers(c, wide.type, wide))
            f.loop(whole, columns, 1, lambda c, _: numbers(c, dtype, factor))

        f.loop(integer(0), rows, 1, line)
    return name


def panels(module: Module, dtype: Type, rows: int, flipped: bool) -> str:
    """Define ``f(W, row bytes, P, first output, last output, inputs, panel bytes, factor)``; returns its name.

    ``P`` is where the first input of panel 0 is. ``W`` begins with the first output and input; it has the outputs next
    to each other or, flipped, the inputs.
    """
    name = f"panels_{dtype.mangled}_{rows}{'_flipped' if flipped else ''}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, I64, PTR, I64, I64, I64, I64, dtype], internal=True)
    source, row, target, first, last, inputs, panel_bytes, factor = f.parameters
    size, line = dtype.bytes, rows * dtype.bytes
    kind, wide = Type(dtype.scalar, rows), f.splat(factor, rows)

    def part(start: Value, stop: Value, place: Value) -> None:
        """The outputs of one panel."""
        count, done = f.binary("sub", stop, start), f.binary("sub", start, first)
        place = f.offset(place, f.mul(f.binary("urem", start, integer(rows)), size))
        if flipped:
            turn = transpose(module, dtype, scaled=True)
            f.run(turn, f.offset(source, f.mul(row, done)), row, place, integer(line), count, inputs, factor)
            return
        begin = f.offset(source, f.mul(done, size))

        def whole() -> None:
            def one(_: Value, at: list[Value]) -> list[Value]:
                f.store(f.binary("fmul", f.load(kind, at[0]), wide), at[1])
                return [f.offset(at[0], row), f.offset(at[1], line)]

            f.loop(integer(0), inputs, 1, one, [begin, place])

        some = copy(module, dtype)
        f.when(
            f.compare("icmp eq", count, integer(rows)),
            whole,
            lambda: f.run(some, begin, row, place, integer(line), inputs, count, factor),
        )

    def panel(number: Value, _: list[Value]) -> None:
        start, stop = f.mul(number, rows), f.mul(f.add(number, 1), rows)
        start = f.select(f.compare("icmp slt", start, first), first, start)
        stop = f.select(f.compare("icmp sgt", stop, last), last, stop)
        part(start, stop, f.offset(target, f.mul(panel_bytes, number)))

    end = f.add(f.binary("udiv", f.add(last, -1), integer(rows)), 1)
    f.loop(f.binary("udiv", first, integer(rows)), end, 1, panel)
    return name
