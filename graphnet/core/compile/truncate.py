"""Truncated backpropagation through time: limit how many steps errors travel back in the Scans of a plan."""

from __future__ import annotations

from dataclasses import replace

from graphnet.core.checks import integer
from graphnet.core.compile.plan import Loop, Plan


def truncate(plan: Plan, reach: int) -> Plan:
    """Return the plan with the errors of every Scan truncated after ``reach`` steps.

    Raises
    ------
    ConfigError
        If ``reach`` is not a positive integer.
    """
    reach = integer("Runner", "reach", reach, 1)
    steps = [
        replace(step, bptt_length=min(reach, step.bptt_length or reach), truncate_sequences=True)
        if isinstance(step, Loop)
        else step
        for step in plan.steps
    ]
    return replace(plan, steps=tuple(steps))
