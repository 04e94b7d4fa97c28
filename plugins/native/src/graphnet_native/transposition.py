"""Transposition of a matrix in memory: the border between arrays of users, rows first, and buffers, units first."""

from __future__ import annotations

from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer


def transpose(module: Module, dtype: Type) -> str:
    """Define ``f(source, source row bytes, target, target row bytes, rows, columns)``; returns its name.

    Blocks of vectors are transposed in registers; what is left over at the borders goes number by number.
    """
    name = f"transpose_{dtype.mangled}"
    if name in module.functions:
        return name
    lanes, size = 32 // dtype.bytes, dtype.bytes
    if module.vector_bytes < 32:
        lanes = 16 // dtype.bytes
    kind = Type(dtype.scalar, lanes)
    f = module.function(name, [PTR, I64, PTR, I64, I64, I64], internal=True)
    source, source_row, target, target_row, rows, columns = f.parameters

    def one(r: Value, c: Value) -> None:
        value = f.load(dtype, f.offset(source, f.add(f.mul(source_row, r), f.mul(c, size))))
        f.store(value, f.offset(target, f.add(f.mul(target_row, c), f.mul(r, size))))

    def square(r: Value, c: Value) -> None:
        start = f.offset(source, f.add(f.mul(source_row, r), f.mul(c, size)))
        lines = [f.load(kind, f.offset(start, f.mul(source_row, i))) for i in range(lanes)]
        lines = _transposed(f, kind, lines)
        start = f.offset(target, f.add(f.mul(target_row, c), f.mul(r, size)))
        for i, line in enumerate(lines):
            f.store(line, f.offset(start, f.mul(target_row, i)))

    whole_rows = f.binary("and", rows, integer(-lanes))
    whole_columns = f.binary("and", columns, integer(-lanes))

    def down(r: Value, _: list[Value]) -> None:
        f.loop(integer(0), whole_columns, lanes, lambda c, _: square(r, c))

    f.loop(integer(0), whole_rows, lanes, down)
    f.loop(integer(0), whole_rows, 1, lambda r, _: f.loop(whole_columns, columns, 1, lambda c, _: one(r, c)) and None)
    f.loop(whole_rows, rows, 1, lambda r, _: f.loop(integer(0), columns, 1, lambda c, _: one(r, c)) and None)
    return name


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
