"""Products with weights, and sums over steps and rows."""

from __future__ import annotations

from dataclasses import dataclass

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
from graphnet_native import products, single_products, sums
from graphnet_native.frame import TIMED, Frame
from graphnet_native.ir import Value, integer
from graphnet_native.products import Tiles
from graphnet_native.transposition import transpose

#: Sums of at least this many numbers are one product of packed values; smaller ones are computed directly.
BY_PRODUCT = 16384


@dataclass(frozen=True, slots=True)
class Space:
    """Working space for packed values: numbers for each row of a block, and for each step of a block in panels."""

    left_rows: int = 0
    right_columns: int = 0
    inputs: int = 0


def space(program: Program, wide: Tiles, single: bool) -> Space:
    """The working space of a program."""
    large = [(a, t) for a in program.accumulators for t in a.terms if by_product(a, t)]
    panels = [-(-(t.rows[1] - t.rows[0]) // wide.rows) * wide.rows for _, t in large]
    inputs = [i.operands[0].width for i in program.instructions if by_steps(program, i, single)]  # type: ignore[union-attr]
    width = wide.vectors * wide.lanes
    columns = [-(-a.columns // width) * width for a, _ in large]
    return Space(max(panels, default=0), max(columns, default=0), max(inputs, default=0))


def by_product(accumulator: Accumulator, term: AccumulatorTerm) -> bool:
    """Whether a sum is large enough for its sides to be packed first."""
    return term.left is not None and (term.rows[1] - term.rows[0]) * accumulator.columns >= BY_PRODUCT


def by_steps(program: Program, instruction: Instruction, single: bool) -> bool:
    """Whether a product of a batch of one row takes the steps of a block as its rows."""
    output = instruction.output
    timed = isinstance(output, ExternalArray) or program.buffers[output.buffer].kind in TIMED
    return single and instruction.name == "dot" and instruction.phase not in (LOOP, BACK_LOOP) and timed


def product(frame: Frame, instruction: Instruction, step: Value, count: Value, tiles: Tiles, wide: Tiles) -> None:
    """A product with a pack of weights, for ``count`` steps from ``step`` on."""
    f, module, size = frame.f, frame.module, frame.dtype.bytes
    rows, weights = instruction.operands
    assert isinstance(weights, PackRef) and isinstance(rows, BufferSlice | ExternalArray)
    count = integer(1) if frame.timeless(instruction) else count
    if by_steps(frame.program, instruction, frame.single):
        _product_by_steps(frame, instruction, step, count, wide)
        return
    if frame.single:
        _product_of_one_row(frame, instruction, step, count)
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


def _product_of_one_row(frame: Frame, instruction: Instruction, step: Value, count: Value) -> None:
    """A product of a batch of one row, step by step."""
    f, size = frame.f, frame.dtype.bytes
    rows, weights = instruction.operands
    assert isinstance(weights, PackRef) and isinstance(rows, BufferSlice | ExternalArray)
    panels, add = frame.address(weights, step), integer(int(instruction.add))
    source, target = frame.address(rows, step), frame.address(instruction.output, step)
    source_step, target_step = frame.stride(rows), frame.stride(instruction.output)
    row = integer(instruction.output.width * size)
    name = single_products.single_product(frame.module, frame.dtype, frame.lanes)

    def part(_: Value, first: Value, units: Value) -> None:
        start, there = (f.offset(p, f.mul(first, size)) for p in (panels, target))

        def single(i: Value, _: list[Value]) -> None:
            x, y = f.offset(source, f.mul(source_step, i)), f.offset(there, f.mul(target_step, i))
            f.run(name, start, row, x, y, units, integer(rows.width), add)

        f.loop(integer(0), count, 1, single)

    frame.shared(instruction.output.width, part)


def _product_by_steps(frame: Frame, instruction: Instruction, step: Value, count: Value, wide: Tiles) -> None:
    """A product of a batch of one row whose rows are the steps."""
    f, size = frame.f, frame.dtype.bytes
    rows, weights = instruction.operands
    assert isinstance(weights, PackRef) and isinstance(rows, BufferSlice | ExternalArray)
    panels, packed, depth = frame.address(weights, step), frame.entry(frame.table.left), integer(rows.width)
    source, target = frame.address(rows, step), frame.address(instruction.output, step)
    source_step, target_step = frame.stride(rows), frame.stride(instruction.output)
    row, tile = integer(instruction.output.width * size), integer(wide.vectors * wide.lanes * size)
    _pack_steps(frame, source, source_step, depth, count, wide)
    name = products.wide_product(frame.module, wide)

    def part(_: Value, first: Value, units: Value) -> None:
        right, there = (f.offset(p, f.mul(first, size)) for p in (panels, target))
        add = integer(int(instruction.add))
        f.run(name, packed, right, row, tile, there, target_step, count, depth, units, add)

    frame.shared(instruction.output.width, part)


def _pack_steps(frame: Frame, source: Value, step: Value, depth: Value, count: Value, wide: Tiles) -> None:
    """Pack steps as the rows of panels: each worker some panels, of which all workers need all."""
    f, size = frame.f, frame.dtype.bytes
    panel, pack = f.mul(depth, wide.rows * size), products.pack(frame.module, wide)
    if frame.partition is None:
        f.run(pack, source, frame.entry(frame.table.left), count, depth, step, integer(size), panel)
        return
    frame.meet()  # the last product has read what was there
    low, high = frame.share(f.binary("udiv", f.add(count, wide.rows - 1), integer(wide.rows)))
    begin, end = f.mul(low, wide.rows), f.mul(high, wide.rows)
    end = f.select(f.compare("icmp slt", end, count), end, count)
    start, packed = f.offset(source, f.mul(step, begin)), f.offset(frame.entry(frame.table.left), f.mul(panel, low))
    steps = f.binary("sub", end, begin)
    f.run(pack, start, packed, steps, depth, step, integer(size), panel)
    frame.meet()


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
    name = transpose(frame.module, frame.dtype)

    def tile(start: int) -> None:
        panel = f.offset(frame.entry(frame.table.right), f.mul(depth, start * size))
        units = integer(min(width, right.width - start))
        first = f.offset(at, f.mul(frame.row, start))

        def one(t: Value, _: list[Value]) -> None:
            source, target = (
                f.offset(first, f.mul(step, t)),
                f.offset(panel, f.mul(f.mul(frame.batch, t), width * size)),
            )
            f.run(name, source, frame.row, target, integer(width * size), units, frame.batch)

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
        f.run(pack, source, place, integer(left.width), frame.batch, frame.row, integer(size), panel)

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
    sides = (
        frame.address(left, frame.start),
        frame.stride(left),
        frame.address(right, frame.start),
        frame.stride(right),
    )

    def part(_: Value, first: Value, units: Value) -> None:
        at_left, left_step, at_right, right_step = sides
        at_left = f.offset(at_left, f.mul(frame.row, first))
        there = f.offset(target, f.mul(row, first))
        if frame.single:
            name = sums.single_gradient(frame.module, frame.dtype, frame.lanes)
            f.run(name, at_left, left_step, at_right, right_step, there, row, frame.steps, units, integer(columns))
        else:
            name = sums.gradient(frame.module, frame.dtype, tiles.lanes)
            f.run(name, at_left, left_step, at_right, right_step, frame.row, there, row, frame.steps, frame.batch,
                  units, integer(columns))  # fmt: skip

    frame.shared(left.width, part)


def _row_sums(frame: Frame, right: BufferSlice | ExternalArray, target: Value, tiles: Tiles) -> None:
    """The sums of the right side alone."""
    f, size = frame.f, frame.dtype.bytes
    at, step = frame.address(right, frame.start), frame.stride(right)
    if not frame.single:
        name = sums.row_sums(frame.module, frame.dtype, tiles.lanes)

        def part(_: Value, first: Value, units: Value) -> None:
            start, there = f.offset(at, f.mul(frame.row, first)), f.offset(target, f.mul(first, size))
            f.run(name, start, step, frame.row, there, frame.steps, frame.batch, units)

        frame.shared(right.width, part)
        return

    def body(first: Value, mask: Value | None) -> None:
        place = f.offset(target, f.mul(first, size))

        def one(_: Value, values: list[Value]) -> list[Value]:
            return [f.offset(values[0], step), f.binary("fadd", values[1], frame.load(values[0], mask))]

        total = f.loop(integer(0), frame.steps, 1, one, [f.offset(at, f.mul(first, size)), frame.load(place, mask)])
        frame.store(total[1], place, mask)

    frame.unit_vectors(right.width, body)
