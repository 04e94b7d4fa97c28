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


def heights(vector_bytes: int) -> dict[int, int]:
    """The rows of the micro-kernels, the largest first, and the chains of each of their sums.

    As many as fit into the registers, and so many sums that few wait for their last addition. The chains are those of
    all outputs, since workers divide the outputs: chain c has the terms k with k modulo chains = c.
    """
    return {8: 1, 4: 2, 2: 4, 1: 4} if vector_bytes == 64 else {4: 1, 2: 2, 1: 4}


def panels(dtype: Type, vector_bytes: int) -> Tiles:
    """The panels of weights, whose rows are the outputs."""
    lanes = vector_bytes // dtype.bytes
    return Tiles(dtype, lanes, VECTORS * lanes, VECTORS)


def row_kernel(module: Module, dtype: Type, lanes: int, rows: int, vectors: int) -> str:
    """Define the product of some rows with the outputs of a panel; returns its name.

    ``f(W, bytes from k to k of W, x, row bytes, C, row bytes, depth, columns, add)``: ``columns`` of the vectors are
    written, the last of which may be partly filled.
    """
    name = f"row_dot_{dtype.mangled}_{lanes}_{rows}x{vectors}"
    if name not in module.functions:
        f = module.function(name, [PTR, I64, PTR, I64, PTR, I64, I64, I64, I64], internal=True)
        _RowKernel(f, Type(dtype.scalar, lanes), rows, vectors).build()
    return name


class _RowKernel:
    """Builds a micro-kernel."""

    def __init__(self, f: Function, kind: Type, rows: int, vectors: int) -> None:
        self.f, self.kind, self.rows, self.vectors = f, kind, rows, vectors
        self.tiles = [(r, v) for r in range(rows) for v in range(vectors)]

    def build(self) -> None:
        f, kind = self.f, self.kind
        weights, weight_row, x, x_row, _, _, depth, columns, add = f.parameters
        number = len(self.tiles)
        chains = heights(f.module.vector_bytes)[self.rows]
        places = [f.offset(x, f.mul(x_row, r)) for r in range(self.rows)]
        last = f.binary("sub", columns, integer((self.vectors - 1) * kind.lanes))
        mask = f.first_lanes(last, kind.lanes)
        sums = f.loop(integer(0), add, 1, lambda _, values: self.there(mask), self.zeros(1))
        sums = [*sums, *self.zeros(chains - 1)]

        def unrolled(k: Value, values: list[Value]) -> list[Value]:
            at, *inner = values
            for u in range(UNROLL):
                first = u % chains * number
                inner[first : first + number] = self.step(at, places, f.add(k, u), inner[first : first + number])
                at = f.offset(at, weight_row)
            return [at, *inner]

        def single(k: Value, values: list[Value]) -> list[Value]:
            return [f.offset(values[0], weight_row), *self.step(values[0], places, k, values[1:])]

        whole = f.binary("and", depth, integer(-UNROLL))
        at, *sums = f.loop(integer(0), whole, UNROLL, unrolled, [weights, *sums])
        while len(sums) > number:
            half = len(sums) // 2
            sums = [f.binary("fadd", a, b) for a, b in zip(sums[:half], sums[half:], strict=True)]
        sums = f.loop(whole, depth, 1, single, [at, *sums])[1:]
        full = f.compare("icmp sge", last, integer(kind.lanes))
        f.when(full, lambda: self.write(sums, None), lambda: self.write(sums, mask))

    def zeros(self, chains: int) -> list[Value]:
        return [Value(self.kind, "zeroinitializer")] * (chains * len(self.tiles))

    def step(self, at: Value, places: list[Value], k: Value, sums: list[Value]) -> list[Value]:
        """The sums after one more term."""
        f, kind = self.f, self.kind
        weights = [f.load(kind, f.offset(at, v * kind.lanes * kind.bytes)) for v in range(self.vectors)]
        shift = f.mul(k, kind.bytes)
        ones = [f.splat(f.load(Type(kind.scalar), f.offset(place, shift)), kind.lanes) for place in places]
        return [f.fma(ones[r], weights[v], total) for (r, v), total in zip(self.tiles, sums, strict=True)]

    def place(self, row: int, vector: int) -> Value:
        f = self.f
        return f.offset(
            f.offset(f.parameters[4], f.mul(f.parameters[5], row)), vector * self.kind.lanes * self.kind.bytes
        )

    def there(self, mask: Value) -> list[Value]:
        """The numbers to which sums are added."""
        f, last = self.f, self.vectors - 1
        return [
            f.load(self.kind, self.place(r, v)) if v < last else f.load_masked(self.kind, self.place(r, v), mask)
            for r, v in self.tiles
        ]

    def write(self, sums: list[Value], mask: Value | None) -> None:
        for (r, v), value in zip(self.tiles, sums, strict=True):
            if mask is None or v < self.vectors - 1:
                self.f.store(value, self.place(r, v))
            else:
                self.f.store_masked(value, self.place(r, v), mask)


def row_product(module: Module, dtype: Type, lanes: int) -> str:
    """Define the product of any number of rows; returns its name.

    ``f(W, bytes from panel to panel, bytes from k to k of W, x, row bytes, C, row bytes, rows, depth, columns, add)``.
    All rows are multiplied with a panel before the next one.
    """
    name = f"row_product_{dtype.mangled}_{lanes}"
    if name in module.functions:
        return name
    sizes = heights(module.vector_bytes)
    kernels = {(r, v): row_kernel(module, dtype, lanes, r, v) for r in sizes for v in range(1, VECTORS + 1)}
    f = module.function(name, [PTR, I64, I64, PTR, I64, PTR, I64, I64, I64, I64, I64], internal=True)
    weights, panel_bytes, weight_row, x, x_row, c, c_row, rows, depth, columns, add = f.parameters
    wide = VECTORS * lanes

    def panel(at: Value, target: Value, vectors: int, count: Value) -> None:
        def block(first: Value, height: int) -> None:
            source, there = f.offset(x, f.mul(x_row, first)), f.offset(target, f.mul(c_row, first))
            f.run(kernels[height, vectors], at, weight_row, source, x_row, there, c_row, depth, count, add)

        done = integer(0)
        for height in sizes:
            end = rows if height == 1 else f.binary("and", rows, integer(-height))
            f.loop(done, end, height, lambda first, _, height=height: block(first, height))  # type: ignore[misc]
            done = end

    def one(first: Value, values: list[Value]) -> list[Value]:
        panel(values[0], f.offset(c, f.mul(first, dtype.bytes)), VECTORS, integer(wide))
        return [f.offset(values[0], panel_bytes)]

    full = f.binary("sub", columns, f.binary("srem", columns, integer(wide)))
    (at,) = f.loop(integer(0), full, wide, one, [weights])
    rest, target = f.binary("sub", columns, full), f.offset(c, f.mul(full, dtype.bytes))
    for vectors in range(1, VECTORS + 1):
        inside = f.compare("icmp ule", f.add(rest, -1 - (vectors - 1) * lanes), integer(lanes - 1))
        f.when(inside, lambda v=vectors: panel(at, target, v, rest))  # type: ignore[misc]
    return name
