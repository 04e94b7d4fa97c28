"""Transposition of a matrix in memory: the border between arrays of users, rows first, and buffers, units first."""

from __future__ import annotations

from collections.abc import Callable

from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer


def transpose(module: Module, dtype: Type, scaled: bool = False) -> str:
    """Define ``f(source, source row bytes, target, target row bytes, rows, columns)``; returns its name.

    ``scaled`` adds a factor as the last parameter. Squares of vectors are transposed in registers, then squares of
    four; what is left over at the borders goes number by number.
    """
    name = f"transpose_{'scaled_' if scaled else ''}{dtype.mangled}"
    if name not in module.functions:
        kinds = [PTR, I64, PTR, I64, I64, I64, *([dtype] if scaled else [])]
        _Transposition(module.function(name, kinds, internal=True), dtype).build(module.vector_bytes)
    return name


class _Transposition:
    """Builds a transposition."""

    def __init__(self, f: Function, dtype: Type) -> None:
        self.f, self.dtype = f, dtype
        self.source, self.source_row, self.target, self.target_row, self.rows, self.columns = f.parameters[:6]
        self.factor = f.parameters[6] if len(f.parameters) > 6 else None

    def build(self, vector_bytes: int) -> None:
        f, zero = self.f, integer(0)
        large = min(vector_bytes, 32) // self.dtype.bytes
        rows, columns = zero, zero
        for lanes in dict.fromkeys((large, 4 if large > 4 else large)):
            more_rows = f.binary("and", self.rows, integer(-lanes))
            more_columns = f.binary("and", self.columns, integer(-lanes))
            square = self.square(lanes)
            # What the larger squares have left: to their right, and below them.
            if columns is not zero:
                self.each(zero, rows, columns, more_columns, lanes, square)
            self.each(rows, more_rows, zero, more_columns, lanes, square)
            rows, columns = more_rows, more_columns
        self.each(zero, rows, columns, self.columns, 1, self.one)
        self.each(rows, self.rows, zero, self.columns, 1, self.one)

    def each(
        self,
        row: Value,
        last_row: Value,
        column: Value,
        last_column: Value,
        step: int,
        body: Callable[[Value, Value], None],
    ) -> None:
        f = self.f

        def line(r: Value, _: list[Value]) -> None:
            f.loop(column, last_column, step, lambda c, _: body(r, c))

        f.loop(row, last_row, step, line)

    def places(self, r: Value, c: Value) -> tuple[Value, Value]:
        """The addresses of one number in the source and in the target."""
        f, size = self.f, self.dtype.bytes
        source = f.offset(self.source, f.add(f.mul(self.source_row, r), f.mul(c, size)))
        return source, f.offset(self.target, f.add(f.mul(self.target_row, c), f.mul(r, size)))

    def one(self, r: Value, c: Value) -> None:
        source, target = self.places(r, c)
        value = self.f.load(self.dtype, source)
        self.f.store(value if self.factor is None else self.f.binary("fmul", value, self.factor), target)

    def square(self, lanes: int) -> Callable[[Value, Value], None]:
        f, kind = self.f, Type(self.dtype.scalar, lanes)
        factor = None if self.factor is None else f.splat(self.factor, lanes)

        def body(r: Value, c: Value) -> None:
            source, target = self.places(r, c)
            lines = [f.load(kind, f.offset(source, f.mul(self.source_row, i))) for i in range(lanes)]
            if factor is not None:
                lines = [f.binary("fmul", line, factor) for line in lines]
            for i, line in enumerate(_transposed(f, kind, lines)):
                f.store(line, f.offset(target, f.mul(self.target_row, i)))

        return body


def _transposed(f: Function, kind: Type, lines: list[Value]) -> list[Value]:
    """The columns of a square of vectors as vectors: log2(lanes) rounds of interleaving."""
    lanes = kind.lanes
    distance = lanes // 2
    # In each round, lines that are `distance` apart exchange the halves of every group of 2 * distance lanes.
    while distance:
        after = list(lines)
        for i in range(lanes):
            if i & distance:
                continue
            a, b = lines[i], lines[i + distance]
            low = [j if not j & distance else lanes + j - distance for j in range(lanes)]
            high = [j + distance if not j & distance else lanes + j for j in range(lanes)]
            after[i], after[i + distance] = _shuffled(f, kind, a, b, low), _shuffled(f, kind, a, b, high)
        lines = after
        distance //= 2
    return lines


def _shuffled(f: Function, kind: Type, a: Value, b: Value, order: list[int]) -> Value:
    mask = ", ".join(f"i32 {j}" for j in order)
    return f.emit(kind, f"shufflevector {a}, {b}, <{len(order)} x i32> <{mask}>")
