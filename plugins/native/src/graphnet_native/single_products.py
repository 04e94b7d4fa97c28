"""Products of a matrix and one row of numbers: ``C[m] = sum over k of W[k, m] x[k]``, with the outputs in vectors."""

from __future__ import annotations

from graphnet_native.ir import I64, PTR, Function, Module, Type, Value, integer


def single_product(module: Module, dtype: Type, lanes: int) -> str:
    """Define ``f(W, row bytes, x, C, rows, depth, add)`` for one column: ``C[m] = sum over k of W[k, m] x[k]``;
    returns its name.

    ``W`` has the outputs next to each other; a vector holds outputs.
    """
    name = f"single_product_{dtype.mangled}_{lanes}"
    if name in module.functions:
        return name
    f = module.function(name, [PTR, I64, PTR, PTR, I64, I64, I64], internal=True)
    weights, row, x, c, rows, depth, add = f.parameters
    kind, size = Type(dtype.scalar, lanes), dtype.bytes

    # Chains of sums, since one would wait for each of its additions. Their number is the same for every block: a sum
    # has one order, whichever block it is in when workers divide the outputs.
    chains, most = 4, 4 if module.vector_bytes == 64 else 2

    def block(start: Value, vectors: int, mask: Value | None) -> None:
        def terms(at: Value, place: Value, sums: list[Value]) -> list[Value]:
            one = f.splat(f.load(dtype, place), lanes)
            after = []
            for v in range(vectors):
                spot = f.offset(at, v * lanes * size)
                line = f.load(kind, spot) if mask is None else f.load_masked(kind, spot, mask)
                after.append(f.fma(one, line, sums[v]))
            return after

        def several(_: Value, values: list[Value]) -> list[Value]:
            at, place, *sums = values
            after = []
            for chain in range(chains):
                after += terms(at, f.offset(place, chain * size), sums[chain * vectors : (chain + 1) * vectors])
                at = f.offset(at, row)
            return [at, f.offset(place, chains * size), *after]

        def step(_: Value, values: list[Value]) -> list[Value]:
            at, place, *sums = values
            return [f.offset(at, row), f.offset(place, size), *terms(at, place, sums)]

        begin = [f.offset(weights, f.mul(start, size)), x]
        zeros = [Value(kind, "zeroinitializer")] * (chains * vectors)
        several_steps = f.binary("and", depth, integer(-chains))
        at, place, *parts = f.loop(integer(0), several_steps, chains, several, [*begin, *zeros])
        while len(parts) > vectors:
            half = len(parts) // 2
            parts = [f.binary("fadd", a, b) for a, b in zip(parts[:half], parts[half:], strict=True)]
        sums = f.loop(several_steps, depth, 1, step, [at, place, *parts])[2:]

        _write(f, sums, f.offset(c, f.mul(start, size)), add, mask)

    wide = most * lanes
    many = f.binary("sub", rows, f.binary("srem", rows, integer(wide)))
    whole = f.binary("and", rows, integer(-lanes))
    f.loop(integer(0), many, wide, lambda m, _: block(m, most, None))
    f.loop(many, whole, lanes, lambda m, _: block(m, 1, None))
    rest = f.binary("sub", rows, whole)
    f.when(f.compare("icmp ne", rest, integer(0)), lambda: block(whole, 1, f.first_lanes(rest, lanes)))
    return name


def _write(f: Function, sums: list[Value], place: Value, add: Value, mask: Value | None) -> None:
    """Store vectors next to each other, or add them to what is there."""
    kind = sums[0].type

    def write(adding: bool) -> None:
        for v, value in enumerate(sums):
            at = f.offset(place, v * kind.lanes * kind.bytes)
            if adding:
                there = f.load(kind, at) if mask is None else f.load_masked(kind, at, mask)
                value = f.binary("fadd", there, value)
            if mask is None:
                f.store(value, at)
            else:
                f.store_masked(value, at, mask)

    f.when(f.compare("icmp ne", add, integer(0)), lambda: write(True), lambda: write(False))
