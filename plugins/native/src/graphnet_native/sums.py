"""Sums over steps and rows of products of two values: gradients of weights.

``C[i, j] += sum over t, b of L[t, i, b] R[t, j, b]``. The rows of a batch lie next to each other, so a vector holds
rows, and its lanes are added up after the last step. With one row, a vector holds columns instead.

"""

from __future__ import annotations

from collections.abc import Callable

from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer


def horizontal(f: Function, x: Value, combined: Callable[[Value, Value], Value] | None = None) -> Value:
    """The sum of the lanes of a vector, or what another operation makes of them, by halves."""
    lanes = x.type.lanes
    while lanes > 1:
        half = lanes // 2
        kind = Type(x.type.scalar, lanes)
        narrow = Type(x.type.scalar, half)
        parts = []
        for start in (0, half):
            order = ", ".join(f"i32 {start + j}" for j in range(half))
            parts.append(f.emit(narrow, f"shufflevector {x}, {kind} poison, <{half} x i32> <{order}>"))
        x = f.binary("fadd", *parts) if combined is None else combined(*parts)
        lanes = half
    return f.emit(Type(x.type.scalar), f"extractelement {x}, i64 0")


def _tile(module: Module, dtype: Type, lanes: int, rows: int, columns: int) -> str:
    """Define the micro-kernel of a tile; ``f(L, step bytes, R, step bytes, row bytes, C, C row bytes, steps,
    batch)``.
    """
    name = f"sum_{dtype.mangled}_{lanes}_{rows}x{columns}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, I64, PTR, I64, I64, PTR, I64, I64, I64], internal=True)
    left, left_step, right, right_step, row, c, c_row, steps, batch = f.parameters
    kind, size = Type(dtype.scalar, lanes), dtype.bytes
    zero = Value(kind, "zeroinitializer")
    whole = f.binary("and", batch, integer(-lanes))
    rest = f.binary("sub", batch, whole)
    mask = f.first_lanes(rest, lanes)
    ragged = f.compare("icmp ne", rest, integer(0))

    def products(at_left: Value, at_right: Value, sums: list[Value], masked: bool) -> list[Value]:
        def loaded(base: Value, i: int) -> Value:
            at = f.offset(base, f.mul(row, i))
            return f.load_masked(kind, at, mask) if masked else f.load(kind, at)

        rights = [loaded(at_right, j) for j in range(columns)]
        after = []
        for i in range(rows):
            one = loaded(at_left, i)
            after += [f.fma(one, rights[j], sums[i * columns + j]) for j in range(columns)]
        return after

    def step(_: Value, values: list[Value]) -> list[Value]:
        at_left, at_right, *sums = values

        def part(b: Value, inner: list[Value]) -> list[Value]:
            off = f.mul(b, size)
            return products(f.offset(at_left, off), f.offset(at_right, off), inner, False)

        sums = f.loop(integer(0), whole, lanes, part, sums)
        off = f.mul(whole, size)
        # One iteration or none: the rows that do not fill a vector.
        some = f.convert("zext", ragged, I64)
        sums = f.loop(
            integer(0), some, 1, lambda _, v: products(f.offset(at_left, off), f.offset(at_right, off), v, True), sums
        )
        return [f.offset(at_left, left_step), f.offset(at_right, right_step), *sums]

    values = f.loop(integer(0), steps, 1, step, [left, right, *[zero] * (rows * columns)])
    for i in range(rows):
        for j in range(columns):
            at = f.offset(f.offset(c, f.mul(c_row, i)), j * size)
            f.store(f.binary("fadd", f.load(dtype, at), horizontal(f, values[2 + i * columns + j])), at)
    return name


def tile_sizes(vector_bytes: int) -> tuple[int, int]:
    """Rows and columns of the largest tile: what fits into the registers."""
    return (5, 5) if vector_bytes == 64 else (3, 3)


def gradient(module: Module, dtype: Type, lanes: int) -> str:
    """Define ``f(L, L step bytes, R, R step bytes, row bytes, C, C row bytes, steps, batch, rows, columns)``.

    Returns its name.
    """
    name = f"gradient_{dtype.mangled}_{lanes}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, I64, PTR, I64, I64, PTR, I64, I64, I64, I64, I64], internal=True)
    left, left_step, right, right_step, row, c, c_row, steps, batch, rows, columns = f.parameters
    most_rows, most_columns = tile_sizes(module.vector_bytes)
    size = dtype.bytes
    full_rows = f.binary("sub", rows, f.binary("srem", rows, integer(most_rows)))
    full_columns = f.binary("sub", columns, f.binary("srem", columns, integer(most_columns)))

    def tile(i: Value, j: Value, height: int, width: int) -> None:
        kernel = _tile(module, dtype, lanes, height, width)
        target = f.offset(f.offset(c, f.mul(c_row, i)), f.mul(j, size))
        f.run(kernel, f.offset(left, f.mul(row, i)), left_step, f.offset(right, f.mul(row, j)), right_step, row,
              target, c_row, steps, batch)  # fmt: skip

    def line(i: Value, height: int) -> None:
        f.loop(integer(0), full_columns, most_columns, lambda j, _: tile(i, j, height, most_columns))
        f.loop(full_columns, columns, 1, lambda j, _: tile(i, j, height, 1))

    f.loop(integer(0), full_rows, most_rows, lambda i, _: line(i, most_rows))
    f.loop(full_rows, rows, 1, lambda i, _: line(i, 1))
    return name


def row_sums(module: Module, dtype: Type, lanes: int) -> str:
    """Define ``f(R, R step bytes, row bytes, C, steps, batch, columns)``: the sums of ``R`` alone; returns its name."""
    name = f"row_sums_{dtype.mangled}_{lanes}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, I64, I64, PTR, I64, I64, I64], internal=True)
    right, step_bytes, row, c, steps, batch, columns = f.parameters
    kind, size = Type(dtype.scalar, lanes), dtype.bytes
    whole = f.binary("and", batch, integer(-lanes))
    rest = f.binary("sub", batch, whole)
    mask = f.first_lanes(rest, lanes)

    def column(j: Value, _: list[Value]) -> None:
        def step(_: Value, values: list[Value]) -> list[Value]:
            at, total = values

            def part(b: Value, inner: list[Value]) -> list[Value]:
                return [f.binary("fadd", inner[0], f.load(kind, f.offset(at, f.mul(b, size))))]

            (total,) = f.loop(integer(0), whole, lanes, part, [total])
            total = f.binary("fadd", total, f.load_masked(kind, f.offset(at, f.mul(whole, size)), mask))
            return [f.offset(at, step_bytes), total]

        start = [f.offset(right, f.mul(row, j)), Value(kind, "zeroinitializer")]
        total = f.loop(integer(0), steps, 1, step, start)[1]
        at = f.offset(c, f.mul(j, size))
        f.store(f.binary("fadd", f.load(dtype, at), horizontal(f, total)), at)

    f.loop(integer(0), columns, 1, column)
    return name


def single_gradient(module: Module, dtype: Type, lanes: int) -> str:
    """Define the same sums for a batch of one row: ``f(L, L step bytes, R, R step bytes, C, C row bytes, steps, rows,
    columns)``.

    A vector holds columns of the result.
    """
    name = f"single_gradient_{dtype.mangled}_{lanes}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, I64, PTR, I64, PTR, I64, I64, I64, I64], internal=True)
    left, left_step, right, right_step, c, c_row, steps, rows, columns = f.parameters
    kind, size = Type(dtype.scalar, lanes), dtype.bytes
    # Enough sums at a time to hide the latency of their chains, few enough for the registers.
    height, across = (8, 2) if module.vector_bytes == 64 else (4, 2)

    def tile(i: Value, j: Value, many: int, vectors: int, mask: Value | None) -> None:
        def line(at: Value, vector: int) -> Value:
            at = f.offset(at, vector * lanes * size)
            return f.load(kind, at) if mask is None else f.load_masked(kind, at, mask)

        def step(_: Value, values: list[Value]) -> list[Value]:
            at_left, at_right, *sums = values
            lines = [line(at_right, v) for v in range(vectors)]
            after = []
            for r in range(many):
                one = f.splat(f.load(dtype, f.offset(at_left, r * size)), lanes)
                after += [f.fma(one, lines[v], sums[r * vectors + v]) for v in range(vectors)]
            return [f.offset(at_left, left_step), f.offset(at_right, right_step), *after]

        start = [f.offset(left, f.mul(i, size)), f.offset(right, f.mul(j, size))]
        zeros = [Value(kind, "zeroinitializer")] * (many * vectors)
        sums = f.loop(integer(0), steps, 1, step, [*start, *zeros])[2:]
        for r in range(many):
            at = f.offset(f.offset(c, f.mul(c_row, f.add(i, r))), f.mul(j, size))
            for v in range(vectors):
                total = f.binary("fadd", line(at, v), sums[r * vectors + v])
                if mask is None:
                    f.store(total, f.offset(at, v * lanes * size))
                else:
                    f.store_masked(total, at, mask)

    wide = f.binary("and", columns, integer(-lanes * across))
    whole = f.binary("and", columns, integer(-lanes))
    rest = f.binary("sub", columns, whole)
    mask = f.first_lanes(rest, lanes)
    ragged = f.compare("icmp ne", rest, integer(0))

    def band(i: Value, many: int) -> None:
        f.loop(integer(0), wide, lanes * across, lambda j, _: tile(i, j, many, across, None))
        f.loop(wide, whole, lanes, lambda j, _: tile(i, j, many, 1, None))
        f.when(ragged, lambda: tile(i, whole, many, 1, mask))

    full = f.binary("and", rows, integer(-height))
    f.loop(integer(0), full, height, lambda i, _: band(i, height))
    f.loop(full, rows, 1, lambda i, _: band(i, 1))
    return name
