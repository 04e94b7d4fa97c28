"""Stage arrays of the caller: copy them into buffers, units first, where a call cannot read them as they are.

In ``tanh(x @ W + h @ U) * x`` the product reads ``x`` as the caller passed it, rows first; the multiplication needs a
copy with units first. One copy serves both directions if the loop multiplies the array together with a state, whose
neighbour it then is. Costs one transposed copy per block of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphnet.core.compile.assignment import EXTERNAL_LEAVES, reads_external
from graphnet.core.compile.program import BACKWARD, FORWARD, LOOP
from graphnet.core.compile.trace.ir import Trace

#: Operations that can read an array of the caller.
READERS = ("dot", "outer", "rowsum")


class Staging:
    """For which directions the leaves of a trace are copied. Costs one walk over the operands, for all leaves."""

    def __init__(self, trace: Trace, phase_of: Sequence[str], calls: Iterable[tuple[str, list[int]]]) -> None:
        self._trace, self._phase_of = trace, phase_of
        values, roles = trace.values, trace.roles
        self._readers: dict[int, list[int]] = {v: [] for v, o in enumerate(values) if o.name in EXTERNAL_LEAVES}
        for number, operation in enumerate(values):
            for base in {trace.base(a) for a in operation.args}:
                if base in self._readers:
                    self._readers[base].append(number)
        results = {FORWARD[-1]: roles.emitted, BACKWARD[-1]: (*roles.sequence_errors, *roles.context_errors)}
        self._results = {phase: {trace.base(v) for v in found if v is not None} for phase, found in results.items()}
        dots = (values[v] for phase, group in calls if phase == LOOP for v in group if values[v].name == "dots")
        self._beside_states = {a for operation in dots for a in operation.args[::2]}

    def copies(self, value: int, phases: set[str]) -> list[str]:
        """Return the directions (by their first phase) for which a leaf is copied; ``[""]`` for one copy for both."""
        if value in self._beside_states:
            return [""]
        return [way[0] for way in (FORWARD, BACKWARD) if any(self._needed(value, p) for p in phases if p in way)]

    def _needed(self, value: int, phase: str) -> bool:
        """Whether something in a phase reads a leaf with units first."""
        if value in self._results.get(phase, ()):
            return True
        trace = self._trace
        external = reads_external(trace[value].name, phase)
        for number in self._readers[value]:
            if self._phase_of[number] != phase:
                continue
            operation = trace[number]
            if operation.name not in READERS or not external:
                return True
            if any(a != value and trace.base(a) == value for a in operation.args):
                return True
        return False
