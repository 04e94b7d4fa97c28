"""Wide values: which of them are computed in the loops although they could be computed outside.

Outside the loops a value exists for a block of steps. ``k[:, :, None] * v[:, None]`` of 64 keys and values has 4,096
units, and 32 steps of 8 rows of them do not fit into the caches, while ``k`` and ``v`` do. So a wide value that only
the loop reads is computed at each step, and so is a sum of a wide value, with the products that only it reads. Applied
to traces with inner axes. Costs three walks over the trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.compile.program import AFTER, BACK_AFTER, BACK_BEFORE, BACK_LOOP, BEFORE, FINISH, LOOP
from graphnet.core.compile.trace.ir import ROWS, VIEWS, Operation, Trace

#: Units from which on a value is wide: a block of 256 rows of float32 then has half a megabyte.
WIDE = 512
#: The loop that a phase belongs to.
LOOP_OF = {BEFORE: LOOP, AFTER: LOOP, BACK_BEFORE: BACK_LOOP, BACK_AFTER: BACK_LOOP}


def in_loops(trace: Trace, phase_of: Sequence[str]) -> list[str]:
    """The phases, with those of wide values moved to the loops."""
    readers = _readers(trace)
    roles = set(trace.roles.all())
    stays: set[int] = set()
    while True:
        phases = list(phase_of)
        for number in range(len(trace) - 1, -1, -1):
            if number not in stays and phases[number] in LOOP_OF:
                found = {phases[r] for r in readers[number]}
                if _moves(trace, trace[number], phases[number], found, number in roles):
                    phases[number] = LOOP_OF[phases[number]]
        late = [n for n in range(len(trace)) if phases[n] != phase_of[n] and _is_late(trace, phases, n)]
        if not late:
            return phases
        stays.update(late)


def _readers(trace: Trace) -> list[list[int]]:
    """The live operations that read each value, itself or through views."""
    live = trace.live()
    readers: list[list[int]] = [[] for _ in trace.values]
    for number, operation in enumerate(trace.values):
        if number in live and operation.name not in VIEWS:
            for arg in operation.args:
                readers[arg].append(number)
                while trace[arg].name in VIEWS:
                    arg = trace[arg].args[0]
                    readers[arg].append(number)
    return readers


def _moves(trace: Trace, operation: Operation, phase: str, readers: set[str], has_role: bool) -> bool:
    """Whether a value is computed in the loop, if its operands are known there."""
    loop = LOOP_OF[phase]
    if operation.kind != ROWS or operation.name in ("copy", *VIEWS):
        return False
    if operation.elementwise:
        return operation.width >= WIDE and not has_role and readers == {loop}
    sums = operation.name in ("reduce", "reduce_axis") and trace[operation.args[0]].width >= WIDE
    if phase == BACK_BEFORE:
        return sums and not has_role and readers <= {BACK_LOOP, BACK_AFTER, FINISH}
    return sums and phase != BEFORE


def _is_late(trace: Trace, phases: Sequence[str], number: int) -> bool:
    """Whether a value would read another one in the loop that is computed after it."""
    behind = {LOOP: AFTER, BACK_LOOP: BACK_AFTER}[phases[number]]
    stack = list(trace[number].args)
    while stack:
        arg = stack.pop()
        if trace[arg].name in VIEWS:
            stack += trace[arg].args
        elif phases[arg] == behind:
            return True
    return False
