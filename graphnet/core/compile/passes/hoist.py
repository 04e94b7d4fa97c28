"""Hoist what does not depend on the loop out of it, and sink what the loop does not need.

``tanh(x @ W + h @ U)``: ``x @ W`` does not depend on the state and is computed before the loop, for many steps at once;
a value that depends on the state but does not feed it, such as an output layer, is computed after the loop. Likewise
backward with the carried error: local derivatives before, input errors and weight gradients after. Left out, every
value of the forward pass is computed in its loop and every other one in the backward loop, except sums over rows. Costs
the buffers for a block of steps that values need between phases. The pass changes no operation: it gives each its
phase, by :mod:`graphnet.core.compile.analysis.phases`.
"""

from __future__ import annotations

from collections import Counter

from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.notes import Note
from graphnet.core.compile.program import BACKWARD, FORWARD
from graphnet.core.compile.trace.ir import ROWS, Trace


def hoist(trace: Trace, enabled: bool = True) -> tuple[list[str], Note]:
    """Return the phase of each value."""
    phase_of = phases(trace, enabled)

    def note() -> str:
        counts = Counter(p for p, o in zip(phase_of, trace.values, strict=True) if o.kind == ROWS)
        listed = ", ".join(f"{phase} {counts[phase]}" for phase in (*FORWARD, *BACKWARD) if counts[phase])
        return f"{'' if enabled else 'left out; '}operations: {listed}"

    return phase_of, note
