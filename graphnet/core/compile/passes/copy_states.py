"""Copy each next state, so that the next step reads the copy.

``h' = tanh(a)`` becomes ``h' = copy(tanh(a))``. For a row that has ended, the loop can then keep the state that the
row's last valid step read, while the value itself, which outputs and derivatives are computed from, stays what the step
computed. Applied where rows of different length run a program that may be nonfinite; see
:mod:`graphnet.core.compile.analysis.finiteness`. Costs one call per state and step.
"""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.compile.notes import Note
from graphnet.core.compile.trace.ir import Trace


def copy_states(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with a copy of each next state as the next state."""
    roles = trace.roles
    copies = tuple(trace.copy(value, key=("next", k)) for k, value in enumerate(roles.next_states))
    trace.roles = replace(roles, next_states=copies)
    return trace, lambda: f"{len(copies)} states are copied at every step"
