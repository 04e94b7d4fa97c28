"""What is asked of the Scans of a plan: which values they alone fill or read, and how far back errors go in them."""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.errors import ConfigError


def by_scans_alone(plan: Plan) -> tuple[frozenset[int], frozenset[int]]:
    """The slots that Scans fill over time, and those that they alone read over time.

    A Scan gives zeros after the rows' ends, forward and back, and asks for nothing else there.
    """
    loops = [step for step in plan.steps if isinstance(step, Loop)]
    calls = [step for step in plan.steps if isinstance(step, Call)]
    filled = {slot for step in loops for slot in step.outputs}
    read = {slot for step in loops for slot in step.sequences}
    others = {slot for step in calls for slot in step.inputs} | {
        slot for step in loops for slot in (*step.initial, *step.contexts)
    }
    return frozenset(filled), frozenset(read - others - {slot for _, slot in plan.outputs})


def cut(plan: Plan, reach: int) -> Plan:
    """The plan with the errors of every Scan cut after so many steps."""
    if isinstance(reach, bool) or not isinstance(reach, int) or reach < 1:
        raise ConfigError("reach is out of range", where="Runner", expected="a whole number from 1", received=reach)
    steps = [
        replace(step, bptt_length=min(reach, step.bptt_length or reach), cut=True) if isinstance(step, Loop) else step
        for step in plan.steps
    ]
    return replace(plan, steps=tuple(steps))
