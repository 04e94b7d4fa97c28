"""Make again, on the way back, what is cheaper to make than to keep.

``1 - f`` is used forward and backward; ``f`` is kept anyway, so the backward pass takes the difference again and one
array over all steps is saved. Applied to sums, products and the like (one cheap call) whose operands are kept for other
reasons; never to transcendental functions, divisions, products with weights and reductions. Costs that one call, on a
block of steps.
"""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.program import BACKWARD, FORWARD
from graphnet.core.compile.trace.ir import FIXED, LEAVES, ROWS, Operation, Trace, same

CHEAP = frozenset(
    ("add", "subtract", "multiply", "negative", "square", "maximum", "minimum", "absolute", "greater", "less")
)


def recompute(trace: Trace) -> Trace:
    """The trace with second copies of cheap values for the backward pass."""
    when = phases(trace)
    again = _again(trace, when)
    if not again:
        return trace
    twins: dict[int, int] = {}

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        if when[number] in BACKWARD:
            args = tuple(twins.get(a, a) for a in args)
        found = same(new, operation, args)
        if number in again:
            own = tuple(twins.get(a, a) for a in args)
            twins[found] = new.add(replace(operation, args=own, attr="again"))
        return found

    return trace.rewritten(build)


def _again(trace: Trace, when: list[str]) -> set[int]:
    """The values to be made twice."""
    users = trace.users()
    roles = set(trace.roles.next)
    needed = [any(when[u] in BACKWARD for u in users[v]) for v in range(len(trace))]
    found: set[int] = set()
    for number, operation in enumerate(trace.values):
        cheap = operation.kind == ROWS and operation.name in CHEAP and when[number] in FORWARD
        if not cheap or not needed[number] or number in roles:
            continue
        rows = [a for a in operation.args if trace[a].kind == ROWS]
        if all(_kept(trace, when, needed, found, a) for a in rows):
            found.add(number)
    return found


def _kept(trace: Trace, when: list[str], needed: list[bool], found: set[int], value: int) -> bool:
    """Whether a value is there on the way back in any case."""
    operation = trace[value]
    leaf = operation.name in LEAVES and operation.name != "draw"
    saved = needed[value] and when[value] in FORWARD
    return value in found or operation.kind == FIXED or leaf or saved
