"""Say of each value when it is made: before, in or after the loop, forward and backward.

``tanh(x @ W + h @ U)``: ``x @ W`` does not depend on the state and is made before the loop, for many steps at once; a
value that depends on the state but feeds none, such as an output layer, is made after it; what is left stays in.
Likewise backward with the carried error: local derivatives before, input errors and weight gradients after. Off: every
value of the forward pass is made in its loop, every other one in the backward loop (sums over rows stay outside: they
have no place inside). Costs two walks over the trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.compile.program import BACK_AFTER, BACK_LOOP, BACKWARD, FINISH, FORWARD, LOOP, PHASES, SETUP, STATIC
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, LEAVES, ROWS, TOTAL, Operation, Trace

LEAF, UNUSED = "leaf", "unused"


def phases(trace: Trace, enabled: bool = True) -> list[str]:
    """The phase of each value; LEAF for leaves, UNUSED for what no role needs."""
    roles = trace.roles
    alive = trace.ancestors(roles.all())
    forward = trace.ancestors([*roles.emitted, *roles.next])
    feeds_state = trace.ancestors(roles.next)
    feeds_carried = trace.ancestors([v for v in roles.carried if v is not None])
    state, carried = trace.depends(["state"]), trace.depends(["carried_error"])
    untimed = trace.untimed()
    pinned = _pinned(trace)
    found: list[str] = []
    for number, operation in enumerate(trace.values):
        if number not in alive:
            phase = UNUSED
        elif operation.name in LEAVES or operation.kind == CONSTANT:
            phase = LEAF
        elif operation.kind == FIXED:
            phase = SETUP
        elif operation.kind == TOTAL:
            phase = BACK_AFTER if operation.name in ("outer", "rowsum") else FINISH
        elif number in pinned:
            phase = pinned[number]
        elif number in untimed:
            phase = STATIC
        elif number in forward:
            phase = LOOP if not enabled else _within(FORWARD, state[number], number in feeds_state)
        elif not enabled:
            phase = BACK_LOOP
        else:
            feeds = number in feeds_carried or (carried[number] and _in_loop(trace, found, carried, operation))
            phase = _within(BACKWARD, carried[number], feeds)
        found.append(phase)
    return _reachable(trace, found)


def _in_loop(trace: Trace, found: Sequence[str], carried: Sequence[bool], operation: Operation) -> bool:
    """Whether an operation reads a carried error, and all else that depends on one is made in the loop.

    Made there, it needs no copy of the error.
    """
    hot = [a for a in operation.args if carried[a]]
    leaf = [trace[trace.base(a)].name == "carried_error" for a in hot]
    return any(leaf) and all(own or found[a] == BACK_LOOP for own, a in zip(leaf, hot, strict=True))


def _within(three: tuple[str, str, str], hangs: bool, feeds: bool) -> str:
    before, loop, after = three
    return before if not hangs else loop if feeds else after


def _pinned(trace: Trace) -> dict[int, str]:
    """Copies that belong to the loops: of next states, and of carried errors."""
    found: dict[int, str] = {}
    for value in trace.roles.next:
        if trace[value].name == "copy":
            found[value] = LOOP
    for carried in trace.roles.carried:
        if carried is not None and trace[carried].name == "copy":
            found[carried] = BACK_LOOP
    for number, operation in enumerate(trace.values):
        copy = operation.name == "copy" and operation.kind == ROWS and number not in found
        if copy and trace[trace.base(operation.args[0])].name == "carried_error":
            found[number] = BACK_LOOP
    return found


def _reachable(trace: Trace, found: list[str]) -> list[str]:
    """Move a value on where one that it is made of is made later (with the pass off, or after a forced copy)."""
    rank = {phase: i for i, phase in enumerate((LEAF, *PHASES, UNUSED))}
    for number, operation in enumerate(trace.values):
        if found[number] in (LEAF, UNUSED):
            continue
        latest = max((found[a] for a in operation.args), key=rank.__getitem__, default=LEAF)
        if rank[latest] > rank[found[number]]:
            found[number] = latest
    return found
