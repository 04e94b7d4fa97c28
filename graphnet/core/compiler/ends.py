"""Give the loose ends of a trace places of their own: copies where a value cannot be written where it is wanted.

A next state that is a leaf (``s' = x``), is shared (two states with one next value) or does not hang on the loop is
copied at each step; so is a carried error. Sums over rows of a carried error read a copy that stays. Not a pass that
can be left out: the later ones rely on it. Costs a call a step where it applies, nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.compiler.operations import LEAVES, ROWS, Operation, Roles, Trace, same


def ends(trace: Trace) -> Trace:
    """The trace with copies where they are needed."""
    fixed = trace.rewritten(_kept) if trace.has("carried_error") else trace
    roles = fixed.roles
    state = fixed.depends(["state"])
    following = _own(fixed, roles.next, state, "next", set())
    widths = _widths(fixed, len(roles.next))
    before = [fixed.copy(fixed.constant(0.0), w, ("carried", k)) if v is None else v for k, (v, w) in
              enumerate(zip(roles.carried, widths, strict=False))]  # fmt: skip
    carried = fixed.depends(["carried_error"])
    others = {v for v in (*roles.sequence_errors, *roles.context_errors, *following) if v is not None}
    read = {a for operation in fixed.values for a in operation.args} if before else set()
    errors = _own(fixed, before, carried, "carried", others | read)
    emitted = tuple(_timed(fixed, v, ("emit", k)) for k, v in enumerate(roles.emitted))
    sequences = tuple(
        None if v is None else _timed(fixed, v, ("leave", k)) for k, v in enumerate(roles.sequence_errors)
    )
    contexts = tuple(
        None if v is None else _timed(fixed, v, ("context", k)) for k, v in enumerate(roles.context_errors)
    )
    fixed.roles = Roles(emitted, following, sequences, errors, contexts, roles.gradients)
    return fixed


def _kept(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
    """Products that sum over the rows read a copy of a carried error: the error itself is gone after its step."""
    if operation.name in ("outer", "rowsum"):
        args = tuple(_timed(new, a, "kept") for a in args)
    return same(new, operation, args)


def _timed(trace: Trace, value: int, key: object) -> int:
    """The value; a copy where it has no place in time: contexts, what hangs on nothing in time, and carried errors."""
    operation = trace[value]
    if operation.name in ("context", "carried_error") or (operation.name in LEAVES and operation.kind != ROWS):
        return trace.copy(value, key=key)
    return value


def _own(trace: Trace, values: Sequence[int], hot: list[bool], key: str, taken: set[int]) -> tuple[int, ...]:
    """Each value, or a copy of it where it is no result of the loop, or one that has a place already."""
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


def _widths(trace: Trace, count: int) -> list[int]:
    """The widths of the states, from their next values."""
    return [trace[v].width for v in trace.roles.next[:count]]
