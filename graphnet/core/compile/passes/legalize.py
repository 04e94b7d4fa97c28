"""Copy values that are read outside their lifetime.

A carried error exists in the backward loop only, and a value that is the same at every step has no time axis.
``x.T @ error`` after the loop, where ``error`` is a carried one, reads a copy that the loop makes at each step;
``sum(context)`` as an output is copied for each step. Elementwise operations broadcast a value without a time axis and
need no copy. The pass cannot be left out: buffer allocation relies on it. Costs one call per copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from graphnet.core.compile.analysis.phases import phases
from graphnet.core.compile.notes import Note, unchanged
from graphnet.core.compile.program import BACK_LOOP, FORWARD, LOOP, STATIC
from graphnet.core.compile.trace.ir import ROWS, VIEWS, Operation, Trace, rebuild

#: Operations whose operands need a time axis outside the loops.
NEED_TIME_AXIS = frozenset(("dot", "dots", "outer", "rowsum"))


def legalize(trace: Trace, hoist: bool) -> tuple[Trace, Note]:
    """Return the trace with a copy wherever a value is read outside its lifetime; ``hoist`` as for ``phases``."""
    within = unchanged("every value is read within its lifetime")
    if not trace.has("carried_error") and not trace.time_invariant():
        return trace, within
    after = _Legalizer(trace, phases(trace, hoist)).run()
    if after is trace:
        return trace, within
    return after, lambda: f"{len(after)} values, some of them copies with a longer lifetime"


class _Legalizer:
    """Rewrites one trace."""

    def __init__(self, trace: Trace, phase_of: Sequence[str]) -> None:
        self.trace, self.phase_of = trace, phase_of
        self.time_invariant = trace.time_invariant()

    def run(self) -> Trace:
        roles = self.trace.roles
        results = [v for v in (*roles.emitted, *roles.sequence_errors, *roles.context_errors) if v is not None]
        if all(self.lasts(v) for v in results) and not self.any_copy():
            return self.trace
        new = self.trace.rewrite(self.build)
        new.roles = replace(
            new.roles,
            emitted=self.results(new, roles.emitted, new.roles.emitted, "emitted"),
            sequence_errors=self.results(new, roles.sequence_errors, new.roles.sequence_errors, "sequence"),
            context_errors=self.results(new, roles.context_errors, new.roles.context_errors, "context"),
        )
        return new

    def any_copy(self) -> bool:
        """Whether any operand needs a copy."""
        return any(
            self.copy_key(arg, operation.name, phase) is not None
            for operation, phase in zip(self.trace.values, self.phase_of, strict=True)
            for arg in operation.args
        )

    def copy_key(self, value: int, reader: str, phase: str) -> str | None:
        """The key of the copy that a reader in a phase needs; None if it can read the value itself."""
        if self.trace[value].kind != ROWS or reader in VIEWS:  # its users read the value
            return None
        if self.is_carried(value) and phase != BACK_LOOP:
            return "kept"
        if reader in NEED_TIME_AXIS and value in self.time_invariant and phase not in (LOOP, BACK_LOOP, STATIC):
            return "forward" if phase in FORWARD else "backward"
        return None

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        keys = [self.copy_key(arg, operation.name, self.phase_of[number]) for arg in operation.args]
        if any(keys):
            args = tuple([a if key is None else new.copy(a, key=key) for a, key in zip(args, keys, strict=True)])
        return rebuild(new, operation, args)

    def is_carried(self, value: int) -> bool:
        return self.trace[self.trace.base(value)].name == "carried_error"

    def lasts(self, value: int) -> bool:
        """Whether a value has a time axis and lives to the end of its block."""
        return not self.is_carried(value) and value not in self.time_invariant

    def results(
        self, new: Trace, old: Sequence[int | None], values: Sequence[int | None], kind: str
    ) -> tuple[Any, ...]:
        """The values that leave the program, each replaced by a copy unless it lasts."""
        return tuple(
            value if value is None or before is None or self.lasts(before) else new.copy(value, key=(kind, k))
            for k, (before, value) in enumerate(zip(old, values, strict=True))
        )
