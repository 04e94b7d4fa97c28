"""Kernels of windowed products: convolutions of images that have the batch as the last axis.

An image is ``(channels, y, x, batch)``, so the numbers that one cell of a window reads along a row of positions lie
next to each other: for stride 1 over all positions of the row and the batch, else over the batch. One row of results is
a product of packed weights and rows of numbers whose addresses come from a table of offsets; no columns are copied.
"""

from __future__ import annotations

from collections.abc import Callable

from graphnet_native import team
from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer
from graphnet_native.products import UNROLL
from graphnet_native.sums import horizontal

#: Numbers of a row of positions that a gradient reads at a time: they stay in the first-level cache for all cells.
CHUNK_BYTES = 2048


def product_tile(vector_bytes: int, outputs: int) -> tuple[int, int]:
    """Rows and vectors of the micro-kernel of a product: the largest tile that wastes the fewest rows."""
    tiles = ((8, 3), (12, 2), (6, 4), (4, 6)) if vector_bytes == 64 else ((6, 2), (4, 3), (3, 4), (2, 6))
    return min(tiles, key=lambda tile: -(-outputs // tile[0]) * tile[0])


def gradient_tile(vector_bytes: int, outputs: int) -> tuple[int, int]:
    """Rows (outputs) and columns (cells of the window) of the micro-kernel of a gradient."""
    tiles = ((4, 6), (3, 8), (2, 12)) if vector_bytes == 64 else ((3, 4), (2, 6))
    return next((tile for tile in tiles if outputs % tile[0] == 0), tiles[0])


def product(module: Module, dtype: Type, lanes: int, rows: int, vectors: int) -> str:
    """Define the windowed product; returns its name.

    ``f(A, bias, O, T, X, Y, outputs, positions, groups, columns, x group bytes, y group bytes, y output bytes,
    depth)``: ``A`` is packed into panels ``[panel][k][row]`` and ``O`` has the offset in bytes of each ``k``. Row ``u``
    of positions has three entries in ``T``: bytes from ``X``, the first ``k``, the number of them. A row of positions
    is ``groups`` times ``columns`` numbers that lie next to each other.
    """
    name = "windowed"
    kernels = {
        (v, masked): _micro_kernel(module, dtype, lanes, rows, v, masked)
        for v, masked in ((vectors, False), (1, False), (1, True))
    }
    f = module.function(name, [PTR] * 6 + [I64] * 8)
    a, bias, offsets, table, x, y, outputs, positions, groups, columns, x_group, y_group, y_output, depth = f.parameters
    size, wide = dtype.bytes, vectors * lanes
    panel = f.mul(depth, rows * size)
    y_row = f.mul(y_group, groups)

    def position(u: Value, _: list[Value]) -> None:
        entry = f.offset(table, f.mul(u, 24))
        base, first, count = (f.load(I64, f.offset(entry, 8 * i)) for i in range(3))
        source, target = f.offset(x, base), f.offset(y, f.mul(y_row, u))
        weights = f.offset(a, f.mul(first, rows * size))
        places = f.offset(offsets, f.mul(first, 8))

        def group(g: Value, _: list[Value]) -> None:
            at, to = f.offset(source, f.mul(x_group, g)), f.offset(target, f.mul(y_group, g))

            def block(v: int, masked: bool, column: Value, tail: Value) -> None:
                here, there = f.offset(at, f.mul(column, size)), f.offset(to, f.mul(column, size))

                def part(o: Value, values: list[Value]) -> list[Value]:
                    left = f.binary("sub", outputs, o)
                    start = f.offset(bias, f.mul(o, size))
                    goal = f.offset(there, f.mul(y_output, o))
                    f.run(kernels[v, masked], values[0], start, places, here, goal, y_output, count, left, tail)
                    return [f.offset(values[0], panel)]

                f.loop(integer(0), outputs, rows, part, [weights])

            _by_columns(f, columns, lanes, wide, vectors, block)

        f.loop(integer(0), groups, 1, group)

    f.loop(integer(0), positions, 1, position)
    return name


def _by_columns(
    f: Function, columns: Value, lanes: int, wide: int, vectors: int, block: Callable[[int, bool, Value, Value], None]
) -> None:
    """``block(vectors, masked, first column, columns of a masked vector)`` for all columns."""
    full = f.binary("sub", columns, f.binary("srem", columns, integer(wide)))
    whole = f.binary("and", columns, integer(-lanes))
    f.loop(integer(0), full, wide, lambda c, _: block(vectors, False, c, integer(lanes)))
    f.loop(full, whole, lanes, lambda c, _: block(1, False, c, integer(lanes)))
    rest = f.binary("sub", columns, whole)
    f.when(f.compare("icmp ne", rest, integer(0)), lambda: block(1, True, whole, rest))


def _micro_kernel(module: Module, dtype: Type, lanes: int, rows: int, vectors: int, masked: bool) -> str:
    """Define one tile; ``f(A, bias, O, X, Y, y output bytes, depth, outputs, columns of the masked vector)``."""
    name = f"window_tile_{dtype.mangled}_{lanes}_{rows}x{vectors}{'m' if masked else ''}"
    f = module.function(name, [PTR] * 5 + [I64] * 4, internal=True)
    a, bias, offsets, x, y, y_output, depth, outputs, tail = f.parameters
    kind, size = Type(dtype.scalar, lanes), dtype.bytes
    mask = f.first_lanes(tail, lanes) if masked else None

    def load(pointer: Value) -> Value:
        return f.load(kind, pointer) if mask is None else f.load_masked(kind, pointer, mask)

    def step(pa: Value, po: Value, sums: list[Value]) -> list[Value]:
        at = f.offset(x, f.load(I64, po))
        columns = [load(f.offset(at, v * lanes * size)) for v in range(vectors)]
        after = []
        for r in range(rows):
            one = f.splat(f.load(dtype, f.offset(pa, r * size)), lanes)
            after += [f.fma(one, columns[v], sums[r * vectors + v]) for v in range(vectors)]
        return after

    def steps(count: int) -> Callable[[Value, list[Value]], list[Value]]:
        def run(_: Value, values: list[Value]) -> list[Value]:
            pa, po, *sums = values
            for i in range(count):
                sums = step(f.offset(pa, i * rows * size), f.offset(po, 8 * i), sums)
            return [f.offset(pa, count * rows * size), f.offset(po, 8 * count), *sums]

        return run

    begin = [f.splat(f.load(dtype, f.offset(bias, r * size)), lanes) for r in range(rows) for _ in range(vectors)]
    whole = f.binary("and", depth, integer(-UNROLL))
    values = f.loop(integer(0), whole, UNROLL, steps(UNROLL), [a, offsets, *begin])
    sums = f.loop(whole, depth, 1, steps(1), values)[2:]

    def write(r: int) -> None:
        for v in range(vectors):
            at, value = f.offset(f.offset(y, f.mul(y_output, r)), v * lanes * size), sums[r * vectors + v]
            if mask is None:
                f.store(value, at)
            else:
                f.store_masked(value, at, mask)

    for r in range(rows):
        f.when(f.compare("icmp sgt", outputs, integer(r)), lambda r=r: write(r))  # type: ignore[misc]
    return name


def gradient(module: Module, dtype: Type, lanes: int, rows: int, columns: int) -> str:
    """Define the gradient of the weights; returns its name.

    ``f(E, O, X, S, outputs, cells, positions, groups, columns, x position bytes, x group bytes, e output bytes, e group
    bytes)``: for each output and cell ``S`` gets a vector, of which the sum of the lanes is the gradient; the last cell
    is that of the errors alone. ``S`` must be zeros.
    """
    name = "window_gradient"
    kernels = {(h, w): _gradient_tile(module, dtype, lanes, h, w) for h in {rows, 1} for w in {columns, 1}}
    alone = _gradient_tile(module, dtype, lanes, 1, 0)
    f = module.function(name, [PTR] * 4 + [I64] * 9)
    e, offsets, x, s, outputs, cells, positions, groups, count, x_position, x_group, e_output, e_group = f.parameters
    size, line = dtype.bytes, lanes * dtype.bytes
    e_position = f.mul(e_group, groups)
    s_row = f.mul(f.add(cells, 1), line)

    def tile(o: Value, c: Value, height: int, width: int, here: Value, at: Value, numbers: Value) -> None:
        errors, target = f.offset(here, f.mul(e_output, o)), f.offset(s, f.add(f.mul(s_row, o), f.mul(c, line)))
        f.run(kernels[height, width], errors, e_output, f.offset(offsets, f.mul(c, 8)), at, target, s_row, numbers)

    def bands(height: int, here: Value, at: Value, numbers: Value) -> Callable[[Value, list[Value]], None]:
        def band(o: Value, _: list[Value]) -> None:
            f.loop(integer(0), full, columns, lambda c, _: tile(o, c, height, columns, here, at, numbers))
            f.loop(full, cells, 1, lambda c, _: tile(o, c, height, 1, here, at, numbers))

        return band

    def sum_alone(o: Value, here: Value, numbers: Value) -> None:
        target = f.offset(s, f.add(f.mul(s_row, o), f.mul(cells, line)))
        f.run(alone, f.offset(here, f.mul(e_output, o)), e_output, offsets, here, target, s_row, numbers)

    full = f.binary("sub", cells, f.binary("srem", cells, integer(columns)))
    full_rows = f.binary("sub", outputs, f.binary("srem", outputs, integer(rows)))
    chunk = CHUNK_BYTES // size

    def group(u: Value, g: Value) -> None:
        errors = f.offset(e, f.add(f.mul(e_position, u), f.mul(e_group, g)))
        images = f.offset(x, f.add(f.mul(x_position, u), f.mul(x_group, g)))

        def part(n: Value, _: list[Value]) -> None:
            here, at = f.offset(errors, f.mul(n, size)), f.offset(images, f.mul(n, size))
            left = f.binary("sub", count, n)
            numbers = f.select(f.compare("icmp slt", left, integer(chunk)), left, integer(chunk))
            f.loop(integer(0), full_rows, rows, bands(rows, here, at, numbers))
            f.loop(full_rows, outputs, 1, bands(1, here, at, numbers))
            f.loop(integer(0), outputs, 1, lambda o, _: sum_alone(o, here, numbers))

        f.loop(integer(0), count, chunk, part)

    f.loop(integer(0), positions, 1, lambda u, _: f.loop(integer(0), groups, 1, lambda g, _: group(u, g)) and None)
    return name


def _gradient_tile(module: Module, dtype: Type, lanes: int, rows: int, columns: int) -> str:
    """Define ``f(E, e output bytes, O, X, S, S row bytes, numbers)``: adds the sums of ``E X`` to vectors; without
    columns the sums of ``E``.
    """
    name = f"window_sums_{dtype.mangled}_{lanes}_{rows}x{columns}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, I64, PTR, PTR, PTR, I64, I64], internal=True)
    e, e_output, offsets, x, s, s_row, numbers = f.parameters
    kind, size = Type(dtype.scalar, lanes), dtype.bytes
    places = [f.offset(x, f.load(I64, f.offset(offsets, 8 * c))) for c in range(columns)]
    lines = [f.offset(e, f.mul(e_output, r)) for r in range(rows)]
    vectors = [(r, c) for r in range(rows) for c in range(columns or 1)]
    targets = [f.offset(f.offset(s, f.mul(s_row, r)), c * lanes * size) for r, c in vectors]

    def step(first: Value, sums: list[Value], mask: Value | None) -> list[Value]:
        def load(pointer: Value) -> Value:
            at = f.offset(pointer, f.mul(first, size))
            return f.load(kind, at) if mask is None else f.load_masked(kind, at, mask)

        errors = [load(line) for line in lines]
        if not columns:
            return [f.binary("fadd", errors[0], sums[0])]
        cells = [load(place) for place in places]
        return [f.fma(errors[r], cells[c], total) for (r, c), total in zip(vectors, sums, strict=True)]

    whole = f.binary("and", numbers, integer(-lanes))
    rest = f.binary("sub", numbers, whole)
    mask = f.first_lanes(rest, lanes)
    sums = f.loop(integer(0), whole, lanes, lambda i, v: step(i, v, None), [f.load(kind, target) for target in targets])
    some = f.convert("zext", f.compare("icmp ne", rest, integer(0)), I64)
    sums = f.loop(integer(0), some, 1, lambda _, v: step(whole, v, mask), sums)
    for target, value in zip(targets, sums, strict=True):
        f.store(value, target)
    return name


def product_task(module: Module) -> None:
    """Define ``windowed_task(table, …, worker, workers)``: each worker computes some rows of positions.

    The table has the arguments of ``windowed``.
    """
    f, arguments, worker, workers = _task(module, "windowed_task", 6, 8)
    table, y, positions = arguments[3], arguments[5], arguments[7]
    first, last = _share(f, positions, worker, workers)
    y_row = f.mul(arguments[11], arguments[8])
    arguments[3], arguments[5] = f.offset(table, f.mul(first, 24)), f.offset(y, f.mul(y_row, first))
    arguments[7] = f.binary("sub", last, first)
    f.run("windowed", *arguments)


def gradient_task(module: Module, rows: int, line: int) -> None:
    """Define ``window_gradient_task(table, …, worker, workers)``: each worker computes the sums of some outputs, so
    that the order of every sum is the same for any number of workers.
    """
    f, arguments, worker, workers = _task(module, "window_gradient_task", 4, 9)
    e, _, _, s, outputs, cells = arguments[:6]
    bands = f.binary("udiv", f.add(outputs, rows - 1), integer(rows))
    first, last = (f.mul(band, rows) for band in _share(f, bands, worker, workers))
    last = f.select(f.compare("icmp slt", last, outputs), last, outputs)
    s_row = f.mul(f.add(cells, 1), line)
    arguments[0] = f.offset(e, f.mul(arguments[11], first))
    arguments[3] = f.offset(s, f.mul(s_row, first))
    arguments[4] = f.binary("sub", last, first)
    f.run("window_gradient", *arguments)


def _task(module: Module, name: str, pointers: int, integers: int) -> tuple[Function, list[Value], Value, Value]:
    """A task (see :mod:`graphnet_native.team`), the arguments in its table, its worker and the number of workers."""
    f = module.function(name, [PTR, I64, I64, I64, *team.TASK_PARAMETERS])
    table, worker, workers = f.parameters[0], *f.parameters[-2:]
    kinds = [PTR] * pointers + [I64] * integers
    return f, [f.load(kind, f.offset(table, 8 * i)) for i, kind in enumerate(kinds)], worker, workers


def _share(f: Function, count: Value, worker: Value, workers: Value) -> tuple[Value, Value]:
    """The first part of a worker's share and the one after its last."""
    first, last = (f.binary("udiv", f.mul(count, w), workers) for w in (worker, f.add(worker, 1)))
    return first, last


def lane_sums(module: Module, dtype: Type, lanes: int) -> str:
    """Define ``f(S, R, count)``: the sums of the lanes of some vectors; returns its name."""
    name = "lane_sums"
    f = module.function(name, [PTR, PTR, I64])
    source, target, count = f.parameters
    kind, size = Type(dtype.scalar, lanes), dtype.bytes

    def one(i: Value, _: list[Value]) -> None:
        f.store(horizontal(f, f.load(kind, f.offset(source, f.mul(i, lanes * size)))), f.offset(target, f.mul(i, size)))

    f.loop(integer(0), count, 1, one)
    return name
