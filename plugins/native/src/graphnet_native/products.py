"""Products of packed weights and columns: ``C[m, n] = sum over k of A[m, k] B[k, n]``.

``A`` is packed into panels of ``tile`` rows, ``[panel][k][row]``, the last one filled with zeros. ``B`` and ``C`` are
rows of ``n`` numbers that are contiguous, at a distance in bytes. A micro-kernel computes ``tile`` rows and some
vectors of columns with every sum in a register; the sum over ``k`` is in one order for all shapes.
"""

from __future__ import annotations

from collections.abc import Callable

from graphnet.core.records import record
from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer


@record
class Tiles:
    """Sizes of the micro-kernels.

    Attributes
    ----------
    dtype : Type
        Scalar float type.
    lanes : int
        Numbers in a vector.
    rows : int
        Rows of a panel.
    vectors : int
        Vectors of columns of the largest micro-kernel.
    """

    dtype: Type
    lanes: int
    rows: int
    vectors: int

    @property
    def vector(self) -> Type:
        """The vector type."""
        return Type(self.dtype.scalar, self.lanes)

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return self.dtype.bytes


def tiles(dtype: Type, vector_bytes: int, columns: int) -> Tiles:
    """The tiles for products with this number of columns: narrow ones for few."""
    registers = 32 if vector_bytes == 64 else 16
    lanes = vector_bytes // dtype.bytes
    while lanes > 4 and lanes // 2 >= columns:
        lanes //= 2
    vectors = 1 if columns <= lanes else 2
    rows = {(32, 2): 12, (32, 1): 16, (16, 2): 6, (16, 1): 8}[registers, vectors]
    return Tiles(dtype, lanes, rows, vectors)


#: Steps of ``k`` in one iteration: rolled up, code generation moves registers around.
UNROLL = 4


def micro_kernel(module: Module, tiles: Tiles, vectors: int, masked: bool) -> str:
    """Define the product of one panel and a few vectors of columns; returns its name.

    ``f(A, B, row bytes of B, C, row bytes of C, depth, rows, columns of the last vector, add)``. ``rows`` of the panel
    are written; ``add`` says whether they are added to what is there.
    """
    name = f"dot_{tiles.dtype.mangled}_{tiles.lanes}_{tiles.rows}x{vectors}{'m' if masked else ''}"
    if name not in module.functions:
        f = module.function(name, [PTR, PTR, I64, PTR, I64, I64, I64, I64, I64], internal=True)
        _MicroKernel(f, tiles, vectors, f.first_lanes(f.parameters[7], tiles.lanes) if masked else None).build()
    return name


class _MicroKernel:
    """Builds a micro-kernel; ``mask`` selects lanes of the last vector."""

    def __init__(self, f: Function, tiles: Tiles, vectors: int, mask: Value | None) -> None:
        self.f, self.tiles, self.vectors, self.mask = f, tiles, vectors, mask

    def build(self) -> None:
        f, tiles = self.f, self.tiles
        a, b, b_row, _, _, depth, _, _, add = f.parameters
        panel = tiles.rows * tiles.size
        zero = Value(tiles.vector, "zeroinitializer")
        f.when(f.compare("icmp ne", add, integer(0)), self.prefetch)

        def unrolled(_: Value, values: list[Value]) -> list[Value]:
            pa, pb, *sums = values
            for u in range(UNROLL):
                sums = self.step(f.offset(pa, u * panel), pb, sums)
                pb = f.offset(pb, b_row)
            return [f.offset(pa, UNROLL * panel), pb, *sums]

        def single(_: Value, values: list[Value]) -> list[Value]:
            pa, pb, *sums = values
            return [f.offset(pa, panel), f.offset(pb, b_row), *self.step(pa, pb, sums)]

        whole = f.binary("and", depth, integer(-UNROLL))
        values = f.loop(integer(0), whole, UNROLL, unrolled, [a, b, *[zero] * (tiles.rows * self.vectors)])
        sums = f.loop(whole, depth, 1, single, values)[2:]
        f.when(f.compare("icmp ne", add, integer(0)), lambda: self.write(sums, True), lambda: self.write(sums, False))

    def prefetch(self) -> None:
        """Bring what sums are added to into the cache while they are computed: it may be in another one by now."""
        f, tiles = self.f, self.tiles
        _, _, _, c, c_row, *_ = f.parameters
        for r in range(tiles.rows):
            row = f.offset(c, f.mul(c_row, r))
            for byte in range(0, self.vectors * tiles.lanes * tiles.size, 64):
                f.prefetch(f.offset(row, byte))

    def load(self, pointer: Value, vector: int) -> Value:
        if self.mask is not None and vector == self.vectors - 1:
            return self.f.load_masked(self.tiles.vector, pointer, self.mask)
        return self.f.load(self.tiles.vector, pointer)

    def at(self, pointer: Value, vector: int) -> Value:
        return self.f.offset(pointer, vector * self.tiles.lanes * self.tiles.size)

    def step(self, pa: Value, pb: Value, sums: list[Value]) -> list[Value]:
        """The sums after one more step of ``k``."""
        f, tiles = self.f, self.tiles
        columns = [self.load(self.at(pb, v), v) for v in range(self.vectors)]
        after = []
        for r in range(tiles.rows):
            one = f.splat(f.load(tiles.dtype, f.offset(pa, r * tiles.size)), tiles.lanes)
            after += [f.fma(one, columns[v], sums[r * self.vectors + v]) for v in range(self.vectors)]
        return after

    def write(self, sums: list[Value], adding: bool) -> None:
        """Write the rows of the panel that exist."""
        f = self.f
        _, _, _, c, c_row, _, rows, _, _ = f.parameters

        def row(r: int) -> None:
            target = f.offset(c, f.mul(c_row, r))
            for v in range(self.vectors):
                at, value = self.at(target, v), sums[r * self.vectors + v]
                if adding:
                    value = f.binary("fadd", self.load(at, v), value)
                if self.mask is not None and v == self.vectors - 1:
                    f.store_masked(value, at, self.mask)
                else:
                    f.store(value, at)

        for r in range(self.tiles.rows):
            f.when(f.compare("icmp sgt", rows, integer(r)), lambda r=r: row(r))  # type: ignore[misc]


def product(module: Module, tiles: Tiles) -> str:
    """Define the product for any sizes and some steps; returns its name.

    ``f(A, B, row bytes of B, C, row bytes of C, rows, depth, columns, add, steps, step bytes of B, step bytes of
    C)``. A panel of weights is used for all steps before the next one.
    """
    name = f"product_{tiles.dtype.mangled}_{tiles.lanes}_{tiles.rows}x{tiles.vectors}"
    if name in module.functions:
        return name
    kernels = {(v, masked): micro_kernel(module, tiles, v, masked)
               for v in range(1, tiles.vectors + 1) for masked in (False, True)}  # fmt: skip
    f = module.function(name, [PTR, PTR, I64, PTR, I64, I64, I64, I64, I64, I64, I64, I64], internal=True)
    a, b, b_row, c, c_row, rows, depth, columns, add, steps, b_step, c_step = f.parameters
    size, lanes = tiles.size, tiles.lanes
    panel_bytes = f.mul(f.mul(depth, tiles.rows), size)
    wide = tiles.vectors * lanes

    def panel(first: Value, values: list[Value]) -> list[Value]:
        (pa,) = values
        left = f.binary("sub", rows, first)
        target = f.offset(c, f.mul(c_row, first))
        f.loop(
            integer(0),
            steps,
            1,
            lambda t, _: step(pa, left, f.offset(b, f.mul(b_step, t)), f.offset(target, f.mul(c_step, t))),
        )
        return [f.offset(pa, panel_bytes)]

    def step(pa: Value, left: Value, source: Value, target: Value) -> None:
        def run(vectors: int, masked: bool, column: Value, tail: Value) -> None:
            at = f.mul(column, size)
            there = f.offset(target, at)
            f.run(kernels[vectors, masked], pa, f.offset(source, at), b_row, there, c_row, depth, left, tail, add)

        def last(vectors: int) -> None:
            """The last columns, if they need this number of vectors."""
            tail = f.binary("sub", rest, integer((vectors - 1) * lanes))
            inside = f.compare("icmp ule", f.add(tail, -1), integer(lanes - 1))
            whole = f.compare("icmp eq", tail, integer(lanes))

            def either() -> None:
                f.when(whole, lambda: run(vectors, False, full, tail), lambda: run(vectors, True, full, tail))

            f.when(inside, either)

        full = f.binary("sub", columns, f.binary("srem", columns, integer(wide)))
        f.loop(integer(0), full, wide, lambda column, _: run(tiles.vectors, False, column, integer(lanes)))
        rest = f.binary("sub", columns, full)
        for vectors in range(1, tiles.vectors + 1):
            last(vectors)

    f.loop(integer(0), rows, tiles.rows, panel, [a])
    return name


def wide_product(module: Module, tiles: Tiles) -> str:
    """Define one product with many columns; returns its name.

    ``f(A, B, row bytes of B, tile bytes of B, C, row bytes of C, rows, depth, columns, add)``: tile bytes lead from the
    columns of one tile to those of the next. The columns of a tile stay in the cache while all panels are multiplied
    with them.
    """
    name = f"wide_product_{tiles.dtype.mangled}_{tiles.lanes}_{tiles.rows}x{tiles.vectors}"
    if name in module.functions:
        return name
    kernels = {
        (v, masked): micro_kernel(module, tiles, v, masked)
        for v in range(1, tiles.vectors + 1)
        for masked in (False, True)
    }
    f = module.function(name, [PTR, PTR, I64, I64, PTR, I64, I64, I64, I64, I64], internal=True)
    a, b, b_row, b_tile, c, c_row, rows, depth, columns, add = f.parameters
    panel_bytes = f.mul(f.mul(depth, tiles.rows), tiles.size)
    wide = tiles.vectors * tiles.lanes

    def panels(vectors: int, masked: bool, column: Value, tail: Value) -> None:
        number = f.binary("udiv", column, integer(wide))
        source, target = f.offset(b, f.mul(b_tile, number)), f.offset(c, f.mul(column, tiles.size))

        def panel(first: Value, values: list[Value]) -> list[Value]:
            left = f.binary("sub", rows, first)
            there = f.offset(target, f.mul(c_row, first))
            f.run(kernels[vectors, masked], values[0], source, b_row, there, c_row, depth, left, tail, add)
            return [f.offset(values[0], panel_bytes)]

        f.loop(integer(0), rows, tiles.rows, panel, [a])

    full = f.binary("sub", columns, f.binary("srem", columns, integer(wide)))
    f.loop(integer(0), full, wide, lambda j, _: panels(tiles.vectors, False, j, integer(tiles.lanes)))
    rest = f.binary("sub", columns, full)
    for vectors in range(1, tiles.vectors + 1):
        tail = f.binary("sub", rest, integer((vectors - 1) * tiles.lanes))
        inside = f.compare("icmp ule", f.add(tail, -1), integer(tiles.lanes - 1))
        f.when(inside, lambda v=vectors, t=tail: panels(v, True, full, t))  # type: ignore[misc]
    return name


def pack(module: Module, tiles: Tiles) -> str:
    """Define the packing of a matrix into panels; returns its name.

    ``f(W, P, outputs, inputs, row bytes, column bytes, panel bytes)``: the number of output ``o`` and input ``i`` is
    at ``o`` rows and ``i`` columns from ``W``. Outputs that lie next to each other are copied as vectors.
    """
    name = f"pack_{tiles.dtype.mangled}_{tiles.rows}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, PTR, I64, I64, I64, I64, I64])
    source, target, outputs, inputs, row_bytes, column_bytes, panel_bytes = f.parameters
    size, dtype = tiles.size, tiles.dtype
    line = Type(dtype.scalar, tiles.rows)
    neighbours = f.compare("icmp eq", row_bytes, integer(size))

    def panel(first: Value, values: list[Value]) -> list[Value]:
        (out,) = values
        left = f.binary("sub", outputs, first)
        base = f.offset(source, f.mul(row_bytes, first))

        def each(copy: Callable[[Value, Value], None]) -> None:
            def column(k: Value, inner: list[Value]) -> list[Value]:
                copy(f.offset(base, f.mul(column_bytes, k)), inner[0])
                return [f.offset(inner[0], tiles.rows * size)]

            f.loop(integer(0), inputs, 1, column, [out])

        def copied(at: Value, place: Value) -> None:
            f.store(f.load(line, at), place)

        def gathered(at: Value, place: Value) -> None:
            for r in range(tiles.rows):
                f.store(f.load(dtype, f.offset(at, f.mul(row_bytes, r))), f.offset(place, r * size))

        def partial(at: Value, place: Value) -> None:
            f.store(Value(line, "zeroinitializer"), place)
            f.loop(integer(0), left, 1, lambda r, _: f.store(
                f.load(dtype, f.offset(at, f.mul(row_bytes, r))), f.offset(place, f.mul(r, size))))  # fmt: skip

        def full() -> None:
            f.when(neighbours, lambda: each(copied), lambda: each(gathered))

        f.when(f.compare("icmp sge", left, integer(tiles.rows)), full, lambda: each(partial))
        return [f.offset(out, panel_bytes)]

    f.loop(integer(0), outputs, tiles.rows, panel, [target])
    return name
