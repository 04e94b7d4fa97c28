"""Phases: when each value is computed, before, in or after the loop, forward or backward.

``tanh(x @ W + h @ U)``: ``x @ W`` is BEFORE, the sum and its tanh are LOOP if ``h`` is made of them. Two facts decide:
whether a value depends on the state (or carried error), and whether it feeds it. Costs two walks over the trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.compile.analysis.wide_values import in_loops
from graphnet.core.compile.program import (
    BACK_AFTER,
    BACK_LOOP,
    BACKWARD,
    FINISH,
    FORWARD,
    LOOP,
    PHASES,
    SETUP,
    STATIC,
)
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, LEAVES, ROWS, TOTAL, Operation, Trace

LEAF, UNUSED = "leaf", "unused"
RANK = {phase: i for i, phase in enumerate((LEAF, *PHASES, UNUSED))}


def phases(trace: Trace, hoist: bool = True) -> list[str]:
    """Return the phase of each value; LEAF for leaves, UNUSED for values that no role depends on.

    Without ``hoist``, everything that depends on steps is computed in the loops.
    """
    return list(trace.analysis(f"phases, hoist={hoist}", lambda: _phases(trace, hoist)))


def _phases(trace: Trace, hoist: bool) -> list[str]:
    roles = trace.roles
    live = trace.live()
    forward = trace.ancestors([*roles.emitted, *roles.next_states])
    feeds_state = trace.ancestors(roles.next_states)
    feeds_error = trace.ancestors([v for v in roles.carried_errors if v is not None])
    on_state, on_error = trace.depends_on(["state"]), trace.depends_on(["carried_error"])
    time_invariant = trace.time_invariant()
    loop_copies = _loop_copies(trace)
    result: list[str] = []
    for number, operation in enumerate(trace.values):
        if number not in live:
            phase = UNUSED
        elif operation.name in LEAVES or operation.kind == CONSTANT:
            phase = LEAF
        elif operation.kind == FIXED:
            phase = SETUP
        elif operation.kind == TOTAL:
            phase = BACK_AFTER if operation.name in ("outer", "rowsum") else FINISH
        elif number in loop_copies:
            phase = loop_copies[number]
        elif number in time_invariant:
            phase = STATIC
        elif number in forward:
            phase = _in_direction(FORWARD, on_state[number], number in feeds_state) if hoist else LOOP
        elif not hoist:
            phase = BACK_LOOP
        else:
            feeds = number in feeds_error or (on_error[number] and _reads_in_loop(trace, result, on_error, operation))
            phase = _in_direction(BACKWARD, on_error[number], feeds)
        result.append(phase)
    if hoist and trace.has("expand", "reduce_axis") and trace.has("state"):
        result = in_loops(trace, _after_operands(trace, result))
    return _after_operands(trace, result)


def _reads_in_loop(trace: Trace, phase_of: Sequence[str], on_error: Sequence[bool], operation: Operation) -> bool:
    """Whether an operation reads a carried error, and its other operands that depend on one are computed in the loop.

    Computed in the loop as well, it needs no copy of the error.
    """
    dependent = [a for a in operation.args if on_error[a]]
    is_leaf = [trace[trace.base(a)].name == "carried_error" for a in dependent]
    return any(is_leaf) and all(leaf or phase_of[a] == BACK_LOOP for leaf, a in zip(is_leaf, dependent, strict=True))


def _in_direction(direction: tuple[str, str, str], depends: bool, feeds: bool) -> str:
    before, loop, after = direction
    return before if not depends else loop if feeds else after


def _loop_copies(trace: Trace) -> dict[int, str]:
    """Copies that the loops make: of next states, and of carried errors."""
    copies: dict[int, str] = {}
    for value in trace.roles.next_states:
        if trace[value].name == "copy":
            copies[value] = LOOP
    for error in trace.roles.carried_errors:
        if error is not None and trace[error].name == "copy":
            copies[error] = BACK_LOOP
    for number, operation in enumerate(trace.values):
        copy = operation.name == "copy" and operation.kind == ROWS and number not in copies
        if copy and trace[trace.base(operation.args[0])].name == "carried_error":
            copies[number] = BACK_LOOP
    return copies


def _after_operands(trace: Trace, phase_of: list[str]) -> list[str]:
    """Move each value to the phase of its last operand if that is later (without ``hoist``, or after a copy)."""
    ranks, fixed = [RANK[phase] for phase in phase_of], (RANK[LEAF], RANK[UNUSED])
    for number, operation in enumerate(trace.values):
        rank = ranks[number]
        if rank in fixed:
            continue
        for arg in operation.args:
            if ranks[arg] > rank:
                rank = ranks[number] = ranks[arg]
                phase_of[number] = phase_of[arg]
    return phase_of
