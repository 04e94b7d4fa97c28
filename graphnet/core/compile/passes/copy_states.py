"""Copy each next state, so that the next step reads the copy.

``h' = tanh(a)`` becomes ``h' = copy(tanh(a))``. The loop can then leave a row that has ended with the state that its
last valid step read, while the value itself, which outputs and derivatives are computed from, stays what the step
computed. Applied to programs that may be nonfinite and run on rows of different length; see
:mod:`graphnet.core.compile.analysis.finiteness`. Costs one call per state and step.
"""

from __future__ import annotations

from graphnet.core.compile.trace.ir import Trace


def copy_states(trace: Trace) -> Trace:
    """Return the trace with a copy of each next state as the next state."""
    roles = trace.roles
    roles.next = tuple(trace.copy(value, key=("next", k)) for k, value in enumerate(roles.next))
    return trace
