"""Copy next states and carried errors that cannot be computed directly into the buffer that the next step reads.

A next state that is a leaf (``s' = x``), the next value of two states, or independent of the loop is copied at each
step; so is such a carried error. The pass cannot be left out: later passes rely on it. Costs one call per step and
copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnet.core.compile.notes import Note, unchanged
from graphnet.core.compile.trace.ir import Trace


def insert_copies(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with copies where next states and carried errors need them."""
    size, roles = len(trace), trace.roles
    next_states = _copied(trace, roles.next_states, trace.depends_on(["state"]), "next", set())
    carried = _carried_errors(trace)
    others = {v for v in (*roles.sequence_errors, *roles.context_errors, *next_states) if v is not None}
    operands = {a for operation in trace.values for a in operation.args} if carried else set()
    carried_errors = _copied(trace, carried, trace.depends_on(["carried_error"]), "carried", others | operands)
    trace.roles = replace(roles, next_states=next_states, carried_errors=carried_errors)
    copies = len(trace) - size
    if not copies:
        return trace, unchanged("every next state and carried error is computed in its own buffer")
    return trace, lambda: f"{copies} values added: copies of next states and carried errors"


def _carried_errors(trace: Trace) -> list[int]:
    """The carried errors; zeros for states that nothing reads."""
    roles = trace.roles
    pairs = zip(roles.carried_errors, roles.next_states, strict=False)  # a forward pass alone carries no errors
    return [
        trace.copy(trace.constant(0.0), trace[state].width, ("carried", k)) if error is None else error
        for k, (error, state) in enumerate(pairs)
    ]


def _copied(trace: Trace, values: Sequence[int], in_loop: list[bool], key: str, taken: set[int]) -> tuple[int, ...]:
    """Each value, or a copy of it if the loop does not compute it or it has a buffer already."""
    results: list[int] = []
    for k, value in enumerate(values):
        operation = trace[value]
        if operation.name == "copy" and operation.attr == (key, k):
            results.append(value)
            continue
        computed = operation.elementwise or operation.name in ("dot", "dots", "reduce", "reduce_axis", "permute")
        if not computed or not in_loop[value] or value in results or value in taken:
            value = trace.copy(value, key=(key, k))
        results.append(value)
    return tuple(results)
