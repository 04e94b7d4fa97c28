"""Products of rows of numbers and weights, with the outputs in vectors: ``C[b, m] = sum over k of x[b, k] W[k, m]``.

For batches that would leave lanes empty if vectors held rows. ``W`` is packed into panels of some vectors of outputs,
``[panel][k][output]``, the last one filled with zeros; ``x`` and ``C`` have their rows at a distance in bytes. A
micro-kernel computes some rows and the outputs of one panel with every sum in a register.
"""

from __future__ import annotations

from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer
from graphnet_native.products import Tiles

#: Vectors of outputs in a panel.
VECTORS = 2
#: Steps of ``k`` in one iteration.
UNROLL = 4


def heights(vector_bytes: int) -> tuple[int, int]:
    """The rows of the micro-kernels, for whole blocks of rows and for the few that are left: what fits into registers.

    Four rows of two vectors are as many sums as additions are under way at a time, so fewer rows take no less time.
    """
    return (8, 4) if vector_bytes == 64 else (6, 4)


def panels(dtype: Type, vector_bytes: int) -> Tiles:
    """The panels of weights, whose rows are the outputs."""
    lanes = vector_bytes // dtype.bytes
    return Tiles(dtype, lanes, VECTORS * lanes, VECTORS)


def row_kernel(module: Module, dtype: Type, lanes: int, rows: int, vectors: int) -> str:
    """Define the product of some rows with the outputs of a panel; returns its name.

    ``f(W, bytes from k to k of W, x, row bytes, C, row bytes, depth, number of rows, columns, add)``: ``columns`` of
    the vectors are written, the last of which may be partly filled. No other rows are read or written.
    """
    name = f"row_dot_{dtype.mangled}_{lanes}_{rows}x{vectors}"
    if name not in module.functions:
        f = module.function(name, [PTR, I64, PTR, I64, PTR, I64, I64, I64, I64, I64], internal=True)
        _RowKernel(f, Type(dtype.scalar, lanes), rows, vectors).build()
    return name


class _RowKernel:
    """Builds a micro-kernel. Every sum has one order, whichever kernel computes it: that of ``k``."""

    def __init__(self, f: Function, kind: Type, rows: int, vectors: int) -> None:
        self.f, self.kind, self.rows, self.vectors = f, kind, rows, vectors
        self.tiles = [(r, v) for r in range(rows) for v in range(vectors)]

    def build(self) -> None:
        f, kind = self.f, self.kind
        weights, weight_row, x, x_row, c, c_row, depth, count, columns, add = f.parameters
        # Rows that do not exist are the last one that does.
        numbers = [integer(0)]
        for r in range(1, self.rows):
            numbers.append(f.select(f.compare("icmp sgt", count, integer(r)), integer(r), f.add(count, -1)))
        places = [f.offset(x, f.mul(x_row, r)) for r in numbers]
        self.targets = [f.offset(c, f.mul(c_row, r)) for r in numbers]
        last = f.binary("sub", columns, integer((self.vectors - 1) * kind.lanes))
        mask = f.first_lanes(last, kind.lanes)
        zeros = [Value(kind, "zeroinitializer")] * len(self.tiles)
        sums = f.loop(integer(0), add, 1, lambda _, values: self.there(mask), zeros)

        def unrolled(k: Value, values: list[Value]) -> list[Value]:
            at, *inner = values
            for u in range(UNROLL):
                inner = self.step(at, places, f.add(k, u), inner)
                at = f.offset(at, weight_row)
            return [at, *inner]

        def single(k: Value, values: list[Value]) -> list[Value]:
            return [f.offset(values[0], weight_row), *self.step(values[0], places, k, values[1:])]

        whole = f.binary("and", depth, integer(-UNROLL))
        values = f.loop(integer(0), whole, UNROLL, unrolled, [weights, *sums])
        sums = f.loop(whole, depth, 1, single, values)[1:]
        full = f.compare("icmp sge", last, integer(kind.lanes))
        f.when(full, lambda: self.write(sums, None), lambda: self.write(sums, mask))

    def step(self, at: Value, places: list[Value], k: Value, sums: list[Value]) -> list[Value]:
        """The sums after one more term."""
        f, kind = self.f, self.kind
        weights = [f.load(kind, f.offset(at, v * kind.lanes * kind.bytes)) for v in range(self.vectors)]
        shift = f.mul(k, kind.bytes)
        ones = [f.splat(f.load(Type(kind.scalar), f.offset(place, shift)), kind.lanes) for place in places]
        return [f.fma(ones[r], weights[v], total) for (r, v), total in zip(self.tiles, sums, strict=True)]

    def place(self, row: int, vector: int) -> Value:
        return self.f.offset(self.targets[row], vector * self.kind.lanes * self.kind.bytes)

    def there(self, mask: Value) -> list[Value]:
        """The numbers to which sums are added."""
        f, last = self.f, self.vectors - 1
        return [
            f.load(self.kind, self.place(r, v)) if v < last else f.load_masked(self.kind, self.place(r, v), mask)
            for r, v in self.tiles
        ]

    def write(self, sums: list[Value], mask: Value | None) -> None:
        """Write the rows that exist."""
        f, count = self.f, self.f.parameters[7]

        def row(r: int) -> None:
            for v in range(self.vectors):
                value, place = sums[r * self.vectors + v], self.place(r, v)
                if mask is None or v < self.vectors - 1:
                    f.store(value, place)
                else:
                    f.store_masked(value, place, mask)

        row(0)
        for r in range(1, self.rows):
            f.when(f.compare("icmp sgt", count, integer(r)), lambda r=r: row(r))  # type: ignore[misc]


def row_product(module: Module, dtype: Type, lanes: int) -> str:
    """Define the product of any number of rows, of some steps; returns its name.

    ``f(W, bytes from panel to panel, bytes from k to k of W, x, row bytes, step bytes, C, row bytes, step bytes, rows,
    steps, depth, columns, add)``. All rows are multiplied with a panel before the next one.
    """
    name = f"row_product_{dtype.mangled}_{lanes}"
    if name not in module.functions:
        _RowProduct(module.function(name, [PTR, I64, I64, PTR, I64, I64, PTR, *[I64] * 7], internal=True), dtype, lanes)
    return name


class _RowProduct:
    """Builds a product."""

    def __init__(self, f: Function, dtype: Type, lanes: int) -> None:
        self.f = f
        sizes = self.sizes = heights(f.module.vector_bytes)
        self.kernels = {(r, v): row_kernel(f.module, dtype, lanes, r, v) for r in sizes for v in range(1, VECTORS + 1)}
        weights, panel_bytes, _, _, _, _, c, *_, columns, _ = f.parameters
        wide = VECTORS * lanes

        def one(first: Value, values: list[Value]) -> list[Value]:
            self.panel(values[0], f.offset(c, f.mul(first, dtype.bytes)), VECTORS, integer(wide))
            return [f.offset(values[0], panel_bytes)]

        full = f.binary("sub", columns, f.binary("srem", columns, integer(wide)))
        (at,) = f.loop(integer(0), full, wide, one, [weights])
        rest, target = f.binary("sub", columns, full), f.offset(c, f.mul(full, dtype.bytes))
        for vectors in range(1, VECTORS + 1):
            inside = f.compare("icmp ule", f.add(rest, -1 - (vectors - 1) * lanes), integer(lanes - 1))
            f.when(inside, lambda v=vectors: self.panel(at, target, v, rest))  # type: ignore[misc]

    def panel(self, at: Value, target: Value, vectors: int, columns: Value) -> None:
        """All rows of all steps with one panel."""
        f = self.f
        _, _, weight_row, x, x_row, x_step, _, c_row, c_step, rows, steps, depth, _, add = f.parameters
        large, small = self.sizes

        def step(t: Value, _: list[Value]) -> None:
            source, there = f.offset(x, f.mul(x_step, t)), f.offset(target, f.mul(c_step, t))

            def block(first: Value, height: int) -> None:
                a, b = f.offset(source, f.mul(x_row, first)), f.offset(there, f.mul(c_row, first))
                f.run(self.kernels[height, vectors], at, weight_row, a, x_row, b, c_row, depth,
                      f.binary("sub", rows, first), columns, add)  # fmt: skip

            f.loop(integer(0), end, large, lambda first, _: block(first, large))
            f.loop(end, rows, small, lambda first, _: block(first, small))

        end = self.end(rows)
        f.loop(integer(0), steps, 1, step)

    def end(self, rows: Value) -> Value:
        """The rows for the large kernel: whole blocks, and a last one of more rows than the small kernel has."""
        f, (large, small) = self.f, self.sizes
        end = f.mul(f.binary("udiv", f.add(rows, large - 1 - small), integer(large)), large)
        if 2 * small == large:
            return end
        # Two blocks of the small kernel, which few rows would not fill, for one of each: 8 rows as 4 + 4, not 6 + 2.
        rest = f.binary("sub", rows, end)
        few = f.compare("icmp ule", f.add(rest, -1), integer(2 * small - large - 1))
        some = f.compare("icmp sge", end, integer(large))
        return f.select(f.binary("and", few, some), f.add(end, -large), end)
