"""Products put together: a sum of products becomes one deeper product, products of one value one wider product.

``e @ U + d @ V`` (the error for the state, from four gates) becomes ``[e, d] @ [U; V]``; ``h @ U`` and ``h @ V`` become
``h @ [U, V]``, whose parts lie side by side. Deeper: where every term hangs on the loop and nobody else uses it. Wider:
decided with the lanes (equal calls on neighbours). Costs the copy of the weights side by side, once a run.
"""

from __future__ import annotations

from graphnet.core.compile.trace.ir import ROWS, Operation, Trace, same


def merge(trace: Trace) -> Trace:
    """The trace with sums of products as one operation ``dots``, whose arguments are rows and weights in turn."""
    if not trace.has("state", "carried_error"):
        return trace
    alive = trace.ancestors(trace.roles.all())
    uses = [0] * len(trace)
    for number in alive:
        for arg in trace[number].args:
            uses[arg] += 1
    for value in trace.roles.all():
        uses[value] += 1
    hot = trace.depends(["state", "carried_error"])

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        if operation.name != "add" or operation.kind != ROWS or not hot[number]:
            return same(new, operation, args)
        products = [new[a].name in ("dot", "dots") for a in args]
        if all(products) and all(uses[a] == 1 and hot[a] for a in operation.args):
            pairs = sum((new[a].args for a in args), ())
            return new.add(Operation("dots", pairs, None, ROWS, operation.shape))
        return same(new, operation, args)

    return trace.rewritten(build)
