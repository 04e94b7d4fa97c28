"""Split products and elementwise operations at the boundaries of concatenated values.

``concatenate([x, h]) @ W`` becomes ``x @ W[:2] + h @ W[2:]``; four columns of one wide product become four products;
``tanh`` of a joined value becomes a join of tanhs. Each part can then be scheduled separately (the one with ``x``
before the time loop). Not applied to reductions. The additional calls cost nothing in the end: ``merge`` and
``batch_calls`` combine products again, in a better order.
"""

from __future__ import annotations

from itertools import pairwise

from graphnet.core.compile.notes import Note, live_counts, products, unchanged
from graphnet.core.compile.trace.ir import FIXED, ROWS, Operation, Trace, rebuild


def split(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with as few joins and column slices as possible."""
    if not trace.has("join", "columns"):
        return trace, unchanged("nothing is concatenated or sliced")
    after = trace.rewrite(_build)

    def note() -> str:
        before, remaining = (c["join"] + c["columns"] for c in map(live_counts, (trace, after)))
        return (
            f"{before} concatenations and slices of rows -> {remaining}; "
            f"{products(trace)} products with weights -> {products(after)}"
        )

    return after, note


def _build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
    if operation.name == "dot":
        return dot(new, *args)
    if operation.name == "columns":
        return columns(new, args[0], *operation.attr)
    if operation.name == "outer":
        return outer(new, *args)
    if operation.name == "rowsum" and new[args[0]].name == "join":
        return new.concatenate(tuple(new.rowsum(part) for part in new[args[0]].args), 0)
    if operation.elementwise and any(new[a].name == "join" for a in args):
        return elementwise(new, operation, args)
    return rebuild(new, operation, args)


def dot(new: Trace, rows: int, fixed: int) -> int:
    """A product; a sum of one product for each part where the rows are joined."""
    if new[rows].name != "join":
        return new.dot(rows, fixed)
    total, start = None, 0
    for part in new[rows].args:
        stop = start + new[part].width
        product = new.dot(part, new.slice(fixed, start, stop, 0))
        total = product if total is None else new.ufunc("add", total, product)
        start = stop
    assert total is not None
    return total


def columns(new: Trace, rows: int, start: int, stop: int) -> int:
    """Columns of a value, sliced as close to the leaves as possible."""
    operation = new[rows]
    if (start, stop) == (0, operation.width):
        return rows
    if operation.kind == FIXED:
        return new.slice(rows, start, stop, len(operation.shape) - 1)
    if operation.name == "columns":
        offset = operation.attr[0]
        return columns(new, operation.args[0], offset + start, offset + stop)
    if operation.name == "dot":
        return dot(new, operation.args[0], new.slice(operation.args[1], start, stop, 1))
    if operation.name == "join":
        return _columns_of_join(new, operation, start, stop)
    if operation.elementwise:
        args = tuple(_narrowed(new, a, operation.width, start, stop) for a in operation.args)
        return new.add(Operation(operation.name, args, operation.attr, ROWS, (stop - start,), operation.boolean))
    return new.columns(rows, start, stop)


def _columns_of_join(new: Trace, join: Operation, start: int, stop: int) -> int:
    slices, offset = [], 0
    for part in join.args:
        width = new[part].width
        a, b = max(start, offset), min(stop, offset + width)
        if a < b:
            slices.append(columns(new, part, a - offset, b - offset))
        offset += width
    return new.join(*slices)


def _narrowed(new: Trace, arg: int, width: int, start: int, stop: int) -> int:
    """Columns of an operand of an elementwise operation; an operand that is broadcast stays as it is."""
    shape = new[arg].shape
    if not shape or shape[-1] == 1 != width:
        return arg
    return columns(new, arg, start, stop)


def outer(new: Trace, a: int, b: int) -> int:
    """A sum of products over the rows, split into one for each pair of parts."""
    if new[a].name == "join":
        return new.concatenate(tuple(outer(new, part, b) for part in new[a].args), 0)
    if new[b].name == "join":
        return new.concatenate(tuple(outer(new, a, part) for part in new[b].args), 1)
    return new.outer(a, b)


def elementwise(new: Trace, operation: Operation, args: tuple[int, ...]) -> int:
    """An elementwise operation on joined values, split into one for each part."""
    boundaries = {0, operation.width}
    for a in args:
        offset = 0
        if new[a].name == "join" and new[a].width == operation.width:
            for part in new[a].args:
                offset += new[part].width
                boundaries.add(offset)
    if len(boundaries) == 2:
        return rebuild(new, operation, args)
    ends = sorted(boundaries)
    parts = []
    for start, stop in pairwise(ends):
        own = tuple(_narrowed(new, a, operation.width, start, stop) for a in args)
        parts.append(new.add(Operation(operation.name, own, operation.attr, ROWS, (stop - start,), operation.boolean)))
    return new.join(*parts)
