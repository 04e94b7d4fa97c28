"""Materialize expanded values where they cannot be read unit by unit.

``k[:, :, None] * S`` reads each unit of ``k`` several times, without a copy. A product with weights, a sum, a
permutation or the caller needs the repeated units themselves, and so does an operation whose operands repeat along axes
that do not fit together. The pass cannot be left out. Costs one call for each copy.
"""

from __future__ import annotations

from graphnet.core.compile.notes import Note, unchanged
from graphnet.core.compile.program import unit_axes
from graphnet.core.compile.trace.ir import Operation, Trace, rebuild


def materialize(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with a copy of each expanded value that something other than an elementwise operation reads."""
    if not trace.has("expand"):
        return trace, unchanged("nothing is expanded")
    copied: set[int] = set()

    def dense(new: Trace, value: int) -> int:
        after = new.dense(value)
        if after != value:
            copied.add(after)
        return after

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        return rebuild(new, operation, tuple(dense(new, a) if a in refused(new, operation, args) else a for a in args))

    after = trace.rewrite(build)
    after.roles = after.roles.map(lambda value: dense(after, value))
    if not copied:
        return after, unchanged("every expanded value is read by elementwise operations")
    return after, lambda: f"{len(copied)} expanded values copied"


def refused(new: Trace, operation: Operation, args: tuple[int, ...]) -> set[int]:
    """The expanded operands that an operation cannot read as they are."""
    expanded = dict.fromkeys(a for a in args if new[a].name == "expand")
    if not operation.elementwise:
        return set(expanded)
    forms: list[tuple[int, int, int]] = []
    found: set[int] = set()
    for value in expanded:
        if new[value].width != operation.width or unit_axes(operation.width, [*forms, new[value].attr]) is None:
            found.add(value)
        else:
            forms.append(new[value].attr)
    return found
