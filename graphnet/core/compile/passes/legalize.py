"""Give a value that is read outside its lifetime a copy that lives as long as its readers.

A carried error lives for two steps of the backward loop, and what depends on no step has no time axis. ``x.T @ error``
after the loop, where ``error`` is the carried one, reads a copy that the loop makes at each step; ``sum(context)`` as
an output is copied for each step. Elementwise operations stretch a value without a time axis and need no copy. This
pass cannot be left out: the placing of buffers relies on it. It costs a call where it applies, nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.program import BACK_LOOP, FORWARD, LOOP, STATIC
from graphnet.core.compile.trace.ir import ROWS, Operation, Trace, same

#: Operations whose operands need a time axis outside the loops.
NEED_STEPS = frozenset(("dot", "dots", "outer", "rowsum"))


def legalize(trace: Trace, hoist: bool) -> Trace:
    """The trace with a copy wherever a value would be read outside its lifetime; ``hoist`` as :func:`phases` has it."""
    return _Legalizer(trace, phases(trace, hoist)).run()


class _Legalizer:
    """One walk over one trace."""

    def __init__(self, trace: Trace, when: Sequence[str]) -> None:
        self.trace, self.when = trace, when
        self.untimed = trace.untimed()

    def run(self) -> Trace:
        roles = self.trace.roles
        outcomes = [v for v in (*roles.emitted, *roles.sequence_errors, *roles.context_errors) if v is not None]
        if all(self.lasts(v) for v in outcomes) and not self.any_copy():
            return self.trace
        found = self.trace.rewritten(self.build)
        found.roles = replace(
            found.roles,
            emitted=self.outcomes(found, roles.emitted, found.roles.emitted, "emitted"),
            sequence_errors=self.outcomes(found, roles.sequence_errors, found.roles.sequence_errors, "sequence"),
            context_errors=self.outcomes(found, roles.context_errors, found.roles.context_errors, "context"),
        )
        return found

    def any_copy(self) -> bool:
        """Whether any operand needs a copy."""
        return any(
            self.copy_for(arg, operation.name, phase) is not None
            for operation, phase in zip(self.trace.values, self.when, strict=True)
            for arg in operation.args
        )

    def copy_for(self, value: int, reader: str, phase: str) -> str | None:
        """The key of the copy that a reader in a phase needs; None where it may read the value itself."""
        if self.trace[value].kind != ROWS or reader == "columns":  # columns are read by what reads them
            return None
        if self.is_carried(value) and phase != BACK_LOOP:
            return "kept"
        if reader in NEED_STEPS and value in self.untimed and phase not in (LOOP, BACK_LOOP, STATIC):
            return "forward" if phase in FORWARD else "backward"
        return None

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        keys = [self.copy_for(arg, operation.name, self.when[number]) for arg in operation.args]
        if any(keys):
            args = tuple([a if key is None else new.copy(a, key=key) for a, key in zip(args, keys, strict=True)])
        return same(new, operation, args)

    def is_carried(self, value: int) -> bool:
        return self.trace[self.trace.base(value)].name == "carried_error"

    def lasts(self, value: int) -> bool:
        """Whether a value has a time axis, and lives to the end of its block."""
        return not self.is_carried(value) and value not in self.untimed

    def outcomes(
        self, new: Trace, old: Sequence[int | None], values: Sequence[int | None], kind: str
    ) -> tuple[Any, ...]:
        """What leaves the program: each value, or a copy that lasts."""
        return tuple(
            value if value is None or before is None or self.lasts(before) else new.copy(value, key=(kind, k))
            for k, (before, value) in enumerate(zip(old, values, strict=True))
        )
