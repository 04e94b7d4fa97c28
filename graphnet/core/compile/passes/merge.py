"""Merge sums of products into deeper products.

``e @ U + d @ V`` (the error for the state, from several gates) becomes ``[e, d] @ [U; V]``. Applied where every term
depends on the loop and has no other user. Products of one value side by side, ``h @ U`` and ``h @ V`` as
``h @ [U, V]``, are grouped later by ``batch_calls``. Costs one copy of the packed weights per run.
"""

from __future__ import annotations

from graphnet.core.compile.notes import Note, products, unchanged
from graphnet.core.compile.trace.ir import ROWS, Operation, Trace, rebuild


def merge(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with sums of products as one operation ``dots`` on alternating rows and weights."""
    if not trace.has("state", "carried_error"):
        return trace, unchanged("there is no loop")
    use_counts = trace.use_counts()
    in_loop = trace.depends_on(["state", "carried_error"])
    merged: list[int] = []

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        if operation.name != "add" or operation.kind != ROWS or not in_loop[number]:
            return rebuild(new, operation, args)
        are_products = [new[a].name in ("dot", "dots") for a in args]
        if all(are_products) and all(use_counts[a] == 1 and in_loop[a] for a in operation.args):
            merged.append(number)
            pairs = sum((new[a].args for a in args), ())
            return new.add(Operation("dots", pairs, None, ROWS, operation.shape))
        return rebuild(new, operation, args)

    after = trace.rewrite(build)
    if not merged:
        return after, unchanged("the loop has no sum of products")
    return after, lambda: f"{products(trace)} products with weights -> {products(after)}, by merging sums of products"
