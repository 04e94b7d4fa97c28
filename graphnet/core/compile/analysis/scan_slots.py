"""Find the slots of a plan that only Scans write, and those that only Scans read, over time.

In ``x -> Scan -> FullyConnected`` the input ``x`` is read by a Scan alone and the slot between the two is written by
one. A Scan writes zeros after the end of a row, forward and backward, and ignores what it reads there, so the runner
need not pad such values itself. Costs one walk over the steps.
"""

from __future__ import annotations

from graphnet.core.compile.plan import Call, Loop, Plan


def scan_only_slots(plan: Plan) -> tuple[frozenset[int], frozenset[int]]:
    """Return the slots that Scans write over time, and those that nothing but Scans reads over time."""
    loops = [step for step in plan.steps if isinstance(step, Loop)]
    calls = [step for step in plan.steps if isinstance(step, Call)]
    written = {slot for step in loops for slot in step.outputs}
    read = {slot for step in loops for slot in step.sequences}
    read_otherwise = {slot for step in calls for slot in step.inputs} | {
        slot for step in loops for slot in (*step.initial, *step.contexts)
    }
    return frozenset(written), frozenset(read - read_otherwise - {slot for _, slot in plan.outputs})
