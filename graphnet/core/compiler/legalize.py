"""Give a value that is read outside its lifetime a copy that lives as long as its readers.

A carried error lives for two steps of the backward loop, and what depends on no step has no time axis. ``x.T @ error``
after the loop, where ``error`` is the carried one, reads a copy that the loop makes at each step; ``sum(context)`` as
an output is copied for each step. Elementwise operations stretch a value without a time axis and need no copy. This
pass cannot be left out: the placing of buffers relies on it. It costs a call where it applies, nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphnet.core.compiler.operations import ROWS, Operation, Roles, Trace, same
from graphnet.core.compiler.phases import BACK_LOOP, FORWARD, LOOP, STATIC, phases

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
        self.changed = False

    def run(self) -> Trace:
        found = self.trace.rewritten(self.build)
        roles = found.roles
        before = self.trace.roles
        found.roles = Roles(
            self.outcomes(found, before.emitted, roles.emitted, "emitted"),
            roles.next,
            self.outcomes(found, before.sequence_errors, roles.sequence_errors, "sequence"),
            roles.carried,
            self.outcomes(found, before.context_errors, roles.context_errors, "context"),
            roles.gradients,
        )
        return found if self.changed else self.trace

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        phase = self.when[number]
        if operation.name != "columns":  # which is no operation of its own: what reads it decides
            pairs = zip(operation.args, args, strict=True)
            args = tuple([self.legal(new, old, arg, operation.name, phase) for old, arg in pairs])
        return same(new, operation, args)

    def legal(self, new: Trace, old: int, arg: int, name: str, phase: str) -> int:
        """The operand, or a copy of it that an operation may read in a phase."""
        if self.trace[old].kind != ROWS:
            return arg
        if self.is_carried(old) and phase != BACK_LOOP:
            return self.copied(new, arg, "kept")
        if name in NEED_STEPS and old in self.untimed and phase not in (LOOP, BACK_LOOP, STATIC):
            return self.copied(new, arg, "forward" if phase in FORWARD else "backward")
        return arg

    def is_carried(self, value: int) -> bool:
        return self.trace[self.trace.base(value)].name == "carried_error"

    def copied(self, new: Trace, value: int, key: object) -> int:
        self.changed = True
        return new.copy(value, key=key)

    def outcomes(
        self, new: Trace, old: Sequence[int | None], values: Sequence[int | None], kind: str
    ) -> tuple[Any, ...]:
        """What leaves the program: each value, or a copy that has a time axis and lives to the end of its block."""
        return tuple(
            None if before is None or value is None else self.outcome(new, before, value, (kind, k))
            for k, (before, value) in enumerate(zip(old, values, strict=True))
        )

    def outcome(self, new: Trace, old: int, value: int, key: tuple[str, int]) -> int:
        lasting = not self.is_carried(old) and old not in self.untimed
        return value if lasting else self.copied(new, value, key)
