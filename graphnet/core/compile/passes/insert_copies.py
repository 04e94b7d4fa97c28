"""Give next states and carried errors places of their own: copies where a value cannot be written where it is wanted.

A next state that is a leaf (``s' = x``), is shared (two states with one next value) or does not depend on the loop is
copied at each step; so is a carried error. This pass cannot be left out: the later ones rely on it. It costs a call a
step where it applies, nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnet.core.compile.trace.ir import Trace


def insert_copies(trace: Trace) -> Trace:
    """The trace with copies where next states and carried errors need them."""
    roles = trace.roles
    following = _own(trace, roles.next, trace.depends(["state"]), "next", set())
    before = _carried(trace)
    others = {v for v in (*roles.sequence_errors, *roles.context_errors, *following) if v is not None}
    read = {a for operation in trace.values for a in operation.args} if before else set()
    errors = _own(trace, before, trace.depends(["carried_error"]), "carried", others | read)
    trace.roles = replace(roles, next=following, carried=errors)
    return trace


def _carried(trace: Trace) -> list[int]:
    """The carried errors, zeros where nothing reads a state."""
    roles = trace.roles
    found = zip(roles.carried, roles.next, strict=False)  # a forward pass alone carries no errors
    return [
        trace.copy(trace.constant(0.0), trace[new].width, ("carried", k)) if old is None else old
        for k, (old, new) in enumerate(found)
    ]


def _own(trace: Trace, values: Sequence[int], hot: list[bool], key: str, taken: set[int]) -> tuple[int, ...]:
    """Each value, or a copy of it where it is not a result of the loop, or has a place already."""
    found: list[int] = []
    for k, value in enumerate(values):
        operation = trace[value]
        made = operation.elementwise or operation.name in ("dot", "dots", "reduce")
        if operation.name == "copy" and operation.attr == (key, k):
            found.append(value)
            continue
        if not made or not hot[value] or value in found or value in taken:
            value = trace.copy(value, key=(key, k))
        found.append(value)
    return tuple(found)
