"""Recompute in the backward pass what is cheaper to compute again than to save.

``1 - f`` is used forward and backward; ``f`` is saved anyway, so the backward pass subtracts again and one array over
all steps is saved. Applied to sums, products and similar cheap calls whose operands are saved for other reasons; never
to transcendental functions, divisions, products with weights or reductions. Costs that one call on a block of steps.
"""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.notes import Note, unchanged
from graphnet.core.compile.program import BACKWARD, FORWARD
from graphnet.core.compile.trace.ir import FIXED, LEAVES, ROWS, Operation, Trace, rebuild

CHEAP = frozenset(
    ("add", "subtract", "multiply", "negative", "square", "maximum", "minimum", "absolute", "greater", "less")
)


def recompute(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with second copies of cheap values for the backward pass."""
    phase_of = phases(trace)
    chosen = _chosen(trace, phase_of)
    if not chosen:
        return trace, unchanged("nothing that the backward pass reads is cheaper to recompute than to save")
    twins: dict[int, int] = {}

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        if phase_of[number] in BACKWARD:
            args = tuple(twins.get(a, a) for a in args)
        value = rebuild(new, operation, args)
        if number in chosen:
            operands = tuple(twins.get(a, a) for a in args)
            twins[value] = new.add(replace(operation, args=operands, attr="again"))
        return value

    paths = sorted({trace.paths[v] for v in chosen})
    return trace.rewrite(build), lambda: f"recomputed in the backward pass: {', '.join(paths)}"


def _chosen(trace: Trace, phase_of: list[str]) -> set[int]:
    """The values to compute twice."""
    users = trace.users()
    next_states = set(trace.roles.next_states)
    read_backward = [any(phase_of[u] in BACKWARD for u in users[v]) for v in range(len(trace))]
    chosen: set[int] = set()

    def available(value: int) -> bool:
        """Whether the backward pass has a value in any case."""
        value = trace.base(value)
        operation = trace[value]
        leaf = operation.name in LEAVES and operation.name != "draw"
        saved = read_backward[value] and phase_of[value] in FORWARD
        return value in chosen or operation.kind == FIXED or leaf or saved

    for number, operation in enumerate(trace.values):
        cheap = operation.kind == ROWS and operation.name in CHEAP and phase_of[number] in FORWARD
        if not cheap or not read_backward[number] or number in next_states:
            continue
        if all(available(a) for a in operation.args if trace[a].kind == ROWS):
            chosen.add(number)
    return chosen
