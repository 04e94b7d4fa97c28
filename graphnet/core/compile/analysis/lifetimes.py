"""Lifetimes: where each value is read for the last time, and in which phases.

For ``a = x + y; b = tanh(a)``, ``a`` is last read by the call that computes ``b``, which may therefore overwrite it.
Columns and repetitions of a value count as the value. Costs one walk over the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphnet.core.compile.program import BACKWARD, FORWARD
from graphnet.core.compile.trace.ir import VIEWS, Trace


@dataclass(slots=True)
class LiveRange:
    """The last call that reads a value, by its number, how often that call reads it, and the phases of all reads."""

    last: int = -1
    count: int = 0
    phases: set[str] = field(default_factory=set)


def live_ranges(trace: Trace, phase_of: Sequence[str], calls: Sequence[tuple[str, list[int]]]) -> list[LiveRange]:
    """Return the live range of each value.

    Parameters
    ----------
    calls : list of (phase, values)
        In execution order. Sums over rows and values that leave the program are read after the last call.
    """
    values = trace.values
    ranges = [LiveRange() for _ in values]

    def read(value: int, call: int, phase: str) -> None:
        live_range = ranges[trace.base(value) if values[value].name in VIEWS else value]
        live_range.count = live_range.count + 1 if live_range.last == call else 1
        live_range.last = call
        live_range.phases.add(phase)

    for number, (phase, members) in enumerate(calls):
        for member in members:
            for arg in values[member].args:
                read(arg, number, phase)
    end = len(calls)
    for value, operation in enumerate(values):
        if operation.name in ("outer", "rowsum") and phase_of[value] != "unused":
            for arg in operation.args:
                read(arg, end, BACKWARD[-1])
    roles = trace.roles
    for value in roles.emitted:
        read(value, end, FORWARD[-1])
    for error in (*roles.sequence_errors, *roles.context_errors):
        if error is not None:
            read(error, end, BACKWARD[-1])
    return ranges
