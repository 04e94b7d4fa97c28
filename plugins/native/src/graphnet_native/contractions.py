"""Products with weights, and sums over steps and rows."""

from __future__ import annotations

from graphnet.core.compile.program import (
    BACK_LOOP,
    LOOP,
    Accumulator,
    AccumulatorTerm,
    BufferSlice,
    ExternalArray,
    Instruction,
    PackRef,
    Program,
)
from graphnet.core.records import record
from graphnet_native import packing, products, row_products, single_products, sums
from graphnet_native.borders import copy_rows
from graphnet_native.frame import Frame
from graphnet_native.ir import Value, integer
from graphnet_native.products import Tiles
from graphnet_native.transposition import transpose

#: Sums of at least this many numbers are one product of packed values; smaller ones are computed directly.
BY_PRODUCT = 16384


@record
class Space:
    """Working space for packed values: numbers for each row of a block."""

    left_rows: int = 0
    right_columns: int = 0


def space(program: Program, wide: Tiles) -> Space:
    """The working space of a program."""
    large = [(a, t) for a in program.accumulators for t in a.terms if by_product(a, t)]
    panels = [-(-(t.rows[1] - t.rows[0]) // wide.rows) * wide.rows for _, t in large]
    width = wide.vectors * wide.lanes
    columns = [-(-a.columns // width) * width for a, _ in large]
    return Space(max(panels, default=0), max(columns, default=0))


def by_product(accumulator: Accumulator, term: AccumulatorTerm) -> bool:
    """Whether a sum is large enough for its sides to be packed first."""
    return term.left is not None and (term.rows[1] - term.rows[0]) * accumulator.columns >= BY_PRODUCT


def product(frame: Frame, instruction: Instruction, step: Value, count: Value, tiles: Tiles, wide: Tiles) -> None:
    """A product with a pack of weights, for ``count`` steps from ``step`` on."""
    f, module, size = frame.f, frame.module, frame.dtype.bytes
    rows, weights = instruction.operands
    assert isinstance(weights, PackRef) and isinstance(rows, BufferSlice | ExternalArray)
    count = integer(1) if frame.timeless(instruction) else count
    if frame.layout.rows_first:
        _product_of_rows(frame, instruction, step, count, tiles)
        return
    panels = frame.address(weights, step)
    source, target = frame.address(rows, step), frame.address(instruction.output, step)
    depth, add = integer(rows.width), integer(int(instruction.add))
    strides = (count, frame.stride(rows), frame.stride(instruction.output))
    name = products.product(module, tiles)

    def part(line: Value, first: Value, units: Value) -> None:
        panel, there = f.offset(panels, f.mul(f.mul(line, depth), size)), f.offset(target, f.mul(frame.row, first))
        f.run(name, panel, source, frame.row, there, frame.row, units, depth, frame.batch, add, *strides)

    frame.shared(instruction.output.width, part)


def _product_of_rows(frame: Frame, instruction: Instruction, step: Value, count: Value, tiles: Tiles) -> None:
    """A product where rows come first: those of all steps at once, if their distances are the same."""
    f, size = frame.f, frame.dtype.bytes
    rows, weights = instruction.operands
    output = instruction.output
    assert isinstance(weights, PackRef) and isinstance(rows, BufferSlice | ExternalArray)
    if frame.layout.single and instruction.phase in (LOOP, BACK_LOOP):
        _product_of_one_row(frame, instruction, step, tiles)
        return
    width = packing.padded(output.width, tiles.rows)
    # The weights for one row are in one panel, as wide as the product.
    line, panel = (width, tiles.rows) if frame.layout.single else (tiles.rows, tiles.rows * rows.width)
    matrix, source, target = (frame.address(operand, step) for operand in (weights, rows, output))
    name = row_products.row_product(frame.module, frame.dtype, frame.lanes)
    strides, number, steps = (frame.stride(rows), frame.stride(output)), frame.rows, count
    if frame.timed(rows) and frame.timed(output) and not frame.by_rows:
        number, steps = f.mul(count, frame.batch), integer(1)  # the rows of all steps are at one distance

    def part(place: Value, first: Value, units: Value) -> None:
        start = first if frame.layout.single else f.mul(place, rows.width)
        begin, there = f.offset(matrix, f.mul(start, size)), f.offset(target, f.mul(first, size))
        f.run(name, begin, integer(panel * size), integer(line * size), source, integer(frame.pitch(rows)), strides[0],
              there, integer(frame.pitch(output)), strides[1], number, steps, integer(rows.width), units,
              integer(int(instruction.add)))  # fmt: skip

    frame.shared(output.width, part)


def _product_of_one_row(frame: Frame, instruction: Instruction, step: Value, tiles: Tiles) -> None:
    """A product of a batch of one row at one step."""
    f, size = frame.f, frame.dtype.bytes
    rows, weights = instruction.operands
    assert isinstance(weights, PackRef) and isinstance(rows, BufferSlice | ExternalArray)
    matrix, add = frame.address(weights, step), integer(int(instruction.add))
    source, target = frame.address(rows, step), frame.address(instruction.output, step)
    line = integer(packing.padded(instruction.output.width, tiles.rows) * size)
    name = single_products.single_product(frame.module, frame.dtype, frame.lanes)

    def part(_: Value, first: Value, units: Value) -> None:
        start, there = (f.offset(p, f.mul(first, size)) for p in (matrix, target))
        f.run(name, start, line, source, there, units, integer(rows.width), add)

    frame.shared(instruction.output.width, part)


def accumulate(frame: Frame, number: int, accumulator: Accumulator, tiles: Tiles, wide: Tiles) -> None:
    """Add the sums of the steps to one accumulator."""
    right = accumulator.right
    assert isinstance(right, BufferSlice | ExternalArray)
    base, row = frame.entry(frame.table.accumulator + number), accumulator.columns * frame.dtype.bytes
    if any(by_product(accumulator, term) for term in accumulator.terms):
        frame.meet()  # the last product has read what was there
        _turn_right(frame, right, wide)
    for term in accumulator.terms:
        target = frame.f.offset(base, term.rows[0] * row)
        if term.left is None:
            _row_sums(frame, right, target, tiles)
            continue
        assert isinstance(term.left, BufferSlice | ExternalArray)
        if by_product(accumulator, term):
            _by_product(frame, term.left, target, accumulator.columns, wide)
        else:
            _directly(frame, term.left, right, target, accumulator.columns, tiles)


def _turn_right(frame: Frame, right: BufferSlice | ExternalArray, wide: Tiles) -> None:
    """Copy the right side, with the rows of all steps below each other, tile of columns by tile.

    Rows at a distance that is a multiple of 4,096 bytes would share lines of the cache.
    """
    f, size = frame.f, frame.dtype.bytes
    width = wide.vectors * wide.lanes
    depth = f.mul(frame.steps, frame.batch)
    at, step = frame.address(right, frame.start), frame.stride(right)

    def tile(start: int) -> None:
        panel = f.offset(frame.entry(frame.table.right), f.mul(depth, start * size))
        units = min(width, right.width - start)
        first = f.offset(at, f.mul(frame.unit_bytes(), start))

        def one(t: Value, _: list[Value]) -> None:
            source, target = (
                f.offset(first, f.mul(step, t)),
                f.offset(panel, f.mul(f.mul(frame.batch, t), width * size)),
            )
            if frame.layout.rows_first:
                copy_rows(frame, (source, target), (frame.pitch(right), width * size), frame.batch, units)
                return
            name = transpose(frame.module, frame.dtype)
            f.run(name, source, frame.row, target, integer(width * size), integer(units), frame.batch)

        f.loop(*frame.share(frame.steps), 1, one)

    for start in range(0, right.width, width):
        tile(start)


def _by_product(frame: Frame, left: BufferSlice | ExternalArray, target: Value, columns: int, wide: Tiles) -> None:
    """One product over the rows of all steps, with the left side packed like weights."""
    f, size = frame.f, frame.dtype.bytes
    depth = f.mul(frame.steps, frame.batch)
    panels, panel = frame.entry(frame.table.left), f.mul(depth, wide.rows * size)
    pack = products.pack(frame.module, wide)
    at, step = frame.address(left, frame.start), frame.stride(left)

    def one(t: Value, _: list[Value]) -> None:
        place = f.offset(panels, f.mul(f.mul(frame.batch, t), wide.rows * size))
        source = f.offset(at, f.mul(step, t))
        row = integer(frame.pitch(left) if frame.layout.rows_first else size)
        f.run(pack, source, place, integer(left.width), frame.batch, frame.unit_bytes(), row, panel)

    frame.meet()
    f.loop(*frame.share(frame.steps), 1, one)
    frame.meet()
    row = integer(columns * size)
    name, right = products.wide_product(frame.module, wide), frame.entry(frame.table.right)
    width = wide.vectors * wide.lanes
    tile = f.mul(depth, width * size)
    if frame.partition is None:
        f.run(name, panels, right, integer(width * size), tile, target, row, integer(left.width), depth,
              integer(columns), integer(1))  # fmt: skip
        return
    # Tiles of the result, columns first: a worker's share may begin and end within a column of tiles.
    high = -(-left.width // wide.rows)
    first, last = frame.share(integer(high * -(-columns // width)))

    def column(number: Value, _: list[Value]) -> None:
        before = f.mul(number, high)
        low, end = _least(frame, f.binary("sub", last, before), high), f.binary("sub", first, before)
        begin = f.select(f.compare("icmp sgt", end, integer(0)), end, integer(0))
        units, start = _least(frame, f.mul(low, wide.rows), left.width), f.mul(begin, wide.rows)
        there = f.offset(f.offset(target, f.mul(row, start)), f.mul(number, width * size))
        across = _least(frame, f.binary("sub", integer(columns), f.mul(number, width)), width)
        f.run(name, f.offset(panels, f.mul(panel, begin)), f.offset(right, f.mul(tile, number)), integer(width * size),
              tile, there, row, f.binary("sub", units, start), depth, across, integer(1))  # fmt: skip

    many = integer(high)
    begin = f.binary("udiv", first, many)
    f.loop(begin, f.binary("udiv", f.add(last, high - 1), many), 1, column)


def _least(frame: Frame, value: Value, limit: int) -> Value:
    """The smaller of a value and a number."""
    return frame.f.select(frame.f.compare("icmp slt", value, integer(limit)), value, integer(limit))


def _directly(
    frame: Frame,
    left: BufferSlice | ExternalArray,
    right: BufferSlice | ExternalArray,
    target: Value,
    columns: int,
    tiles: Tiles,
) -> None:
    """A sum computed from the buffers as they are."""
    f = frame.f
    row = integer(columns * frame.dtype.bytes)
    starts = frame.address(left, frame.start), frame.address(right, frame.start)
    steps = frame.stride(left), frame.stride(right)

    def part(_: Value, first: Value, units: Value) -> None:
        at_left = f.offset(starts[0], f.mul(frame.unit_bytes(), first))
        there = f.offset(target, f.mul(row, first))
        if frame.layout.rows_first:
            _add_rows(frame, (left, right), (at_left, starts[1]), there, (units, columns))
            return
        name = sums.gradient(frame.module, frame.dtype, tiles.lanes)
        f.run(name, at_left, steps[0], starts[1], steps[1], frame.row, there, row, frame.steps, frame.batch, units,
              integer(columns))  # fmt: skip

    frame.shared(left.width, part)


def _add_rows(
    frame: Frame,
    sides: tuple[BufferSlice | ExternalArray, BufferSlice | ExternalArray],
    starts: tuple[Value, Value],
    target: Value,
    shape: tuple[Value, int],
) -> None:
    """A sum where rows come first, over the rows of all steps at once if both sides have their own for each step."""
    f, (left, right) = frame.f, sides
    name = sums.single_gradient(frame.module, frame.dtype, frame.lanes)
    row, pitches = integer(shape[1] * frame.dtype.bytes), [integer(frame.pitch(side)) for side in sides]

    def some(at_left: Value, at_right: Value, count: Value) -> None:
        f.run(name, at_left, pitches[0], at_right, pitches[1], target, row, count, shape[0], integer(shape[1]))

    def one(t: Value, _: list[Value]) -> None:
        at = [f.offset(start, f.mul(frame.stride(side), t)) for start, side in zip(starts, sides, strict=True)]
        some(at[0], at[1], frame.batch)

    if frame.timed(left) and frame.timed(right):
        some(*starts, f.mul(frame.steps, frame.batch))
    else:
        f.loop(integer(0), frame.steps, 1, one)


def _row_sums(frame: Frame, right: BufferSlice | ExternalArray, target: Value, tiles: Tiles) -> None:
    """The sums of the right side alone."""
    f, size = frame.f, frame.dtype.bytes
    at, step = frame.address(right, frame.start), frame.stride(right)
    pitch = integer(frame.pitch(right))

    def columns(first: Value, mask: Value | None) -> None:
        place = f.offset(target, f.mul(first, size))

        def row(_: Value, values: list[Value]) -> list[Value]:
            return [f.offset(values[0], pitch), f.binary("fadd", values[1], frame.load(values[0], mask))]

        def one(t: Value, values: list[Value]) -> list[Value]:
            start = f.offset(f.offset(at, f.mul(first, size)), f.mul(step, t))
            return f.loop(integer(0), frame.batch, 1, row, [start, *values])[1:]

        (total,) = f.loop(integer(0), frame.steps, 1, one, [frame.load(place, mask)])
        frame.store(total, place, mask)

    def part(_: Value, first: Value, units: Value) -> None:
        if frame.layout.rows_first:
            frame.span(first, units, columns)
            return
        name = sums.row_sums(frame.module, frame.dtype, tiles.lanes)
        start, there = f.offset(at, f.mul(frame.row, first)), f.offset(target, f.mul(first, size))
        f.run(name, start, step, frame.row, there, frame.steps, frame.batch, units)

    frame.shared(right.width, part)
