"""Stage arrays of the caller: copy them into buffers, units first, where a call cannot read them as they are.

In ``tanh(x @ W + h @ U) * x`` the product reads ``x`` as the caller passed it, rows first; the multiplication needs a
copy with units first. One copy serves both directions if the loop multiplies the array together with a state, whose
neighbour it then is. Costs one transposed copy per block of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphnet.core.compile.assignment import reads_external
from graphnet.core.compile.program import BACKWARD, FORWARD, LOOP
from graphnet.core.compile.trace.ir import Trace

#: Operations that can read an array of the caller.
READERS = ("dot", "outer", "rowsum")


def staged_copies(
    trace: Trace,
    phase_of: Sequence[str],
    calls: Iterable[tuple[str, list[int]]],
    value: int,
    phases: set[str],
) -> list[str]:
    """Return the directions (by their first phase) for which a leaf is copied; ``[""]`` for one copy for both."""
    for phase, group in calls:
        if phase == LOOP:
            for member in group:
                operation = trace.values[member]
                if operation.name == "dots" and value in operation.args[::2]:
                    return [""]
    return [
        way[0]
        for way in (FORWARD, BACKWARD)
        if any(_needs_copy(trace, phase_of, value, phase) for phase in phases if phase in way)
    ]


def _needs_copy(trace: Trace, phase_of: Sequence[str], value: int, phase: str) -> bool:
    """Whether something in a phase reads a leaf with units first."""
    roles = trace.roles
    results = {FORWARD[-1]: roles.emitted, BACKWARD[-1]: (*roles.sequence_errors, *roles.context_errors)}
    if any(v is not None and trace.base(v) == value for v in results.get(phase, ())):
        return True
    external = reads_external(trace[value].name, phase)
    for number, operation in enumerate(trace.values):
        if phase_of[number] != phase or not any(trace.base(a) == value for a in operation.args):
            continue
        if operation.name not in READERS or not external:
            return True
        if any(a != value and trace.base(a) == value for a in operation.args):
            return True
    return False
