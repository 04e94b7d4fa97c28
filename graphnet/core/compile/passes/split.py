"""Split products and elementwise operations at the boundaries of concatenated values.

``concatenate([x, h]) @ W`` becomes ``x @ W[:2] + h @ W[2:]``; four columns of one wide product become four products;
``tanh`` of a joined value becomes a join of tanhs. Each part can then be scheduled separately (the one with ``x``
before the time loop). Not applied to reductions. The additional calls cost nothing in the end: ``merge`` and
``batch_calls`` combine products again, in a better order.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from graphnet.core.compile.notes import Note, live_counts, products, unchanged
from graphnet.core.compile.trace.ir import FIXED, ROWS, Operation, Trace, operands_first, rebuild

#: Columns ``start`` to ``stop`` of a value.
Part = tuple[int, int, int]


def split(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with as few joins and column slices as possible."""
    if not trace.has("join", "columns"):
        return trace, unchanged("nothing is concatenated or sliced")
    after = trace.rewrite(_Splitter().build)

    def note() -> str:
        before, remaining = (c["join"] + c["columns"] for c in map(live_counts, (trace, after)))
        return (
            f"{before} concatenations and slices of rows -> {remaining}; "
            f"{products(trace)} products with weights -> {products(after)}"
        )

    return after, note


class _Splitter:
    """Builds one trace from another; what columns of a value are is found once, so that time grows linearly."""

    def __init__(self) -> None:
        self._known: dict[Part, int] = {}

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        """Add an operation to a trace, split."""
        if operation.name == "dot":
            return dot(new, *args)
        if operation.name == "columns":
            return self.columns(new, args[0], *operation.attr)
        if operation.name == "outer":
            return outer(new, *args)
        if operation.name == "rowsum" and new[args[0]].name == "join":
            return new.concatenate(tuple(new.rowsum(part) for part in new[args[0]].args), 0)
        if operation.elementwise:
            values = new.values
            for a in args:
                if values[a].name == "join":
                    return self.elementwise(new, operation, args)
        return rebuild(new, operation, args)

    def columns(self, new: Trace, rows: int, start: int, stop: int) -> int:
        """Columns of a value, sliced as close to the leaves as possible."""
        known = self._known
        for part in operands_first((rows, start, stop), partial(_needed, new), known):
            known[part] = _columns(new, part, known)
        return known[rows, start, stop]

    def elementwise(self, new: Trace, operation: Operation, args: tuple[int, ...]) -> int:
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
        o, parts = operation, []
        for start, stop in pairwise(sorted(boundaries)):
            own = tuple(a if _broadcast(new, a, o.width) else self.columns(new, a, start, stop) for a in args)
            parts.append(new.add(Operation(o.name, own, o.attr, ROWS, (stop - start,), o.boolean)))
        return new.join(*parts)


def _needed(new: Trace, part: Part) -> list[Part]:
    """The columns of other values that columns of a value are made of."""
    rows, start, stop = part
    operation = new.values[rows]
    if (start, stop) == (0, operation.width) or operation.kind == FIXED:
        return []
    if operation.name == "columns":
        offset = operation.attr[0]
        return [(operation.args[0], offset + start, offset + stop)]
    if operation.name == "join":
        parts, offset = [], 0
        for arg in operation.args:
            width = new.values[arg].width
            a, b = max(start, offset), min(stop, offset + width)
            if a < b:
                parts.append((arg, a - offset, b - offset))
            offset += width
        return parts
    if operation.elementwise:
        return [(a, start, stop) for a in operation.args if not _broadcast(new, a, operation.width)]
    return []


def _columns(new: Trace, part: Part, known: dict[Part, int]) -> int:
    """Columns of a value, from those that they are made of."""
    rows, start, stop = part
    operation = new.values[rows]
    if (start, stop) == (0, operation.width):
        return rows
    if operation.kind == FIXED:
        return new.slice(rows, start, stop, len(operation.shape) - 1)
    if operation.name == "dot":
        return dot(new, operation.args[0], new.slice(operation.args[1], start, stop, 1))
    parts = _needed(new, part)
    if operation.name == "columns":
        return known[parts[0]]
    if operation.name == "join":
        return new.join(*[known[p] for p in parts])
    if operation.elementwise:
        width = operation.width
        args = tuple([a if _broadcast(new, a, width) else known[a, start, stop] for a in operation.args])
        return new.add(Operation(operation.name, args, operation.attr, ROWS, (stop - start,), operation.boolean))
    return new.columns(rows, start, stop)


def _broadcast(new: Trace, arg: int, width: int) -> bool:
    """Whether an operand of an elementwise operation stays as it is where the operation is narrowed."""
    shape = new.values[arg].shape
    return not shape or shape[-1] == 1 != width


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


def outer(new: Trace, a: int, b: int) -> int:
    """A sum of products over the rows, split into one for each pair of parts."""
    if new[a].name == "join":
        return new.concatenate(tuple(outer(new, part, b) for part in new[a].args), 0)
    if new[b].name == "join":
        return new.concatenate(tuple(outer(new, a, part) for part in new[b].args), 1)
    return new.outer(a, b)
