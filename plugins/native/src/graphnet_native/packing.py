"""Packing of weights, natively: from the arrays of parameters, as they are, to the packs of a program.

A part of a pack that is not a block of one weight is computed by numpy first, and read from there like a weight.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphnet.core.run.numpy_backend.pack_plan import PackPart, WeightBlock, pack_shape
from graphnet_native.frame import Frame
from graphnet_native.ir import I64, PTR, Module, Type, Value, floating, integer
from graphnet_native.sources import matrix, weight_shape
from graphnet_native.transposition import transpose


def emit_part(frame: Frame, part: PackPart, block: WeightBlock, source: Value, rows: int) -> None:
    """Emit the copy of one part, of which each worker does a share; ``rows`` is the height of panels."""
    f, program, dtype, size = frame.f, frame.program, frame.dtype, frame.dtype.bytes
    row = (matrix(weight_shape(program, block.weight))[1] if part.source else block.columns[1]) * size
    source = f.offset(source, block.rows[0] * row + block.columns[0] * size)
    target, factor = frame.entry(frame.table.pack + part.pack), floating(block.factor, dtype)
    count, depth = (end - start for start, end in (part.rows, part.columns))
    # From one output, or input, to the next in the weight.
    output_step, input_step = (row, size) if block.flipped else (size, row)
    if program.packs[part.pack].form == "units":
        low, high = frame.share(integer(count))
        times = integer(1) if frame.layout.rows_first else frame.batch
        place = f.offset(target, f.mul(f.mul(times, size), f.add(low, part.rows[0])))
        begin, units = f.offset(source, f.mul(low, output_step)), f.binary("sub", high, low)
        f.run(spread(frame.module, dtype), begin, integer(output_step), place, units, times, factor)
    elif frame.layout.single:
        low, high = frame.share(integer(depth))
        line = padded(pack_shape(program, part.pack)[0], rows) * size
        place = f.offset(target, f.add(f.mul(f.add(low, part.columns[0]), line), part.rows[0] * size))
        begin, inputs = f.offset(source, f.mul(low, input_step)), f.binary("sub", high, low)
        if block.flipped:
            name, sizes = transpose(frame.module, dtype, scaled=True), (integer(count), inputs)
        else:
            name, sizes = copy(frame.module, dtype), (inputs, integer(count))
        f.run(name, begin, integer(row), place, integer(line), *sizes, factor)
    else:
        target = f.offset(target, part.columns[0] * rows * size)
        for done, first, last in _lines(frame, part):
            begin = f.offset(source, done * output_step)
            _emit_panels(frame, part, block, (begin, integer(row), target), (first, last), rows)


def padded(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def _lines(frame: Frame, part: PackPart) -> Iterator[tuple[int, int, int]]:
    """How many outputs of a part come before some others, and the lines of panels that those are."""
    outputs, partition = pack_shape(frame.program, part.pack)[0], frame.partition
    piece = outputs if partition is None else partition.of(outputs)
    lines = outputs if partition is None else partition.padded(outputs) // partition.pieces(outputs)
    first, last = part.rows
    while first < last:
        number, begin = divmod(first, piece)
        end = min(piece, begin + last - first)
        yield first - part.rows[0], number * lines + begin, number * lines + end
        first += end - begin


def _emit_panels(
    frame: Frame,
    part: PackPart,
    block: WeightBlock,
    arrays: tuple[Value, Value, Value],
    lines: tuple[int, int],
    rows: int,
) -> None:
    """Emit the copy of some outputs to panels."""
    f, size = frame.f, frame.dtype.bytes
    name = panels(frame.module, frame.dtype, rows, block.flipped)
    depth, panel = part.columns[1] - part.columns[0], pack_shape(frame.program, part.pack)[1] * rows * size
    rest = (integer(depth), integer(panel), floating(block.factor, frame.dtype))
    source, row, target = arrays
    if frame.partition is None:
        f.run(name, source, row, target, integer(lines[0]), integer(lines[1]), *rest)
        return
    before = lines[0] // rows
    low, high = (f.mul(f.add(end, before), rows) for end in frame.share(integer(-(-lines[1] // rows) - before)))
    first = f.select(f.compare("icmp slt", low, integer(lines[0])), integer(lines[0]), low)
    last = f.select(f.compare("icmp sgt", high, integer(lines[1])), integer(lines[1]), high)
    done = f.mul(f.binary("sub", first, integer(lines[0])), row if block.flipped else size)
    some = f.compare("icmp slt", first, last)
    f.when(some, lambda: f.run(name, f.offset(source, done), row, target, first, last, *rest))


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
