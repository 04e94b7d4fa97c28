"""Prove of a placed trace that every value is read from where it still is.

The operations are walked in the order in which a program runs them: once, then before, in and after the forward loop of
one block of steps, then the same backward. At each read the place must hold the value, written at a time that is still
valid: buffers of a block are lost between the two directions, buffers of a step outside their loop, carried errors
outside the backward loop. ``tanh(a)`` written over ``a`` while another operation still needs ``a`` is thus found when a
program is compiled, and not by its numbers. Costs one walk.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.core.compile.passes.allocate import BufferAssignment
from graphnet.core.compile.program import (
    BACK_LOOP,
    BACKWARD,
    BLOCK_BUFFER,
    FORWARD,
    LOOP,
    RING_BUFFER,
    STATIC,
    STATIC_BUFFER,
    STEP_BUFFER,
    Buffer,
    BufferSlice,
    ExternalArray,
    InvalidProgram,
)
from graphnet.core.compile.trace.ir import ROWS, Trace

#: Operations that read a whole block of steps at once, outside the loops: their operands need a time axis there.
OVER_STEPS = frozenset(("dot", "dots", "outer", "rowsum"))


class Contents:
    """What each buffer holds: ranges of units, with the value and its unit that the first one is."""

    def __init__(self) -> None:
        self._ranges: dict[tuple[int, int], list[tuple[int, int, int, int, str]]] = {}

    def write(self, place: BufferSlice, value: int, phase: str, both_shifts: bool) -> None:
        """``place`` holds ``value`` from here on, and nothing else; with ``both_shifts``, also at the step after."""
        for shift in (0, 1) if both_shifts else (place.shift,):
            ranges = self._ranges.get((place.buffer, shift), [])
            kept = [r for r in ranges if r[1] <= place.start or r[0] >= place.stop]
            self._ranges[place.buffer, shift] = kept
        held = (place.start, place.stop, value, 0, phase)
        self._ranges.setdefault((place.buffer, place.shift), []).append(held)

    def forget(self, buffer: int) -> None:
        """The buffer holds nothing."""
        for shift in (0, 1):
            self._ranges.pop((buffer, shift), None)

    def written(self, place: BufferSlice, value: int, first: int) -> str | None:
        """The phase in which ``value``, from its unit ``first`` on, was written to ``place``; None: it is not there."""
        for start, stop, held, unit, phase in self._ranges.get((place.buffer, place.shift), ()):
            if start <= place.start and place.stop <= stop and held == value and place.start - start + unit == first:
                return phase
        return None


def verify(trace: Trace, placing: BufferAssignment) -> None:
    """Check the places of a trace.

    Raises
    ------
    InvalidProgram
        If a value is read where it is not, or not any more.
    """
    _Verifier(trace, placing).run()


class _Verifier:
    """One walk."""

    def __init__(self, trace: Trace, placing: BufferAssignment) -> None:
        self.trace, self.placing = trace, placing
        self.buffers: Sequence[Buffer] = placing.arrangement.buffers
        self.contents = Contents()
        self.following = set(trace.roles.next)
        self.carried = {v for v in trace.roles.carried if v is not None}

    def run(self) -> None:
        self.enter()
        sections = (STATIC, *FORWARD, *BACKWARD)
        groups = {phase: [g for p, g in self.placing.sequence if p == phase] for phase in sections}
        for phase in (STATIC, *FORWARD):
            self.phase(phase, groups[phase])
        self.leave(FORWARD[-1], self.trace.roles.emitted)
        self.turn()
        for phase in BACKWARD:
            self.phase(phase, groups[phase])
        roles = self.trace.roles
        self.leave(BACKWARD[-1], (*roles.sequence_errors, *roles.context_errors))
        for value, operation in enumerate(self.trace.values):
            if operation.name in ("outer", "rowsum") and self.placing.when[value] != "unused":
                for arg in operation.args:
                    self.read(arg, BACKWARD[-1], operation.name)

    def enter(self) -> None:
        """States and carried errors, and what is staged for the forward pass."""
        for value, operation in enumerate(self.trace.values):
            if operation.name in ("state", "carried_error") and (value, "") in self.placing.home:
                self.contents.write(self.placing.place(value, LOOP), value, "", False)
        self.stage(FORWARD[0])
        self.stage(STATIC)

    def stage(self, way: str) -> None:
        """What is copied in at the beginning of one direction."""
        leaves = {(o.name, o.attr): v for v, o in enumerate(self.trace.values) if not o.args and o.kind == ROWS}
        for name, attr, home, when in self.placing.staged:
            if when == way:
                value = leaves[name, attr]
                buffer, start = self.placing.arrangement.places[home]
                self.contents.write(BufferSlice(buffer, start, start + self.trace[value].width), value, way, True)

    def turn(self) -> None:
        """Between forward and backward, other blocks have used the buffers of a block."""
        for number, buffer in enumerate(self.buffers):
            if buffer.kind in (BLOCK_BUFFER, STEP_BUFFER):
                self.contents.forget(number)
        self.stage(BACKWARD[0])

    def phase(self, phase: str, groups: Sequence[Sequence[int]]) -> None:
        for group in groups:
            for value in group:
                operation = self.trace[value]
                for arg in operation.args:
                    self.read(arg, phase, operation.name)
                if value not in self.placing.leaving:
                    self.write(value, phase)

    def write(self, value: int, phase: str) -> None:
        place = self.placing.place(value, phase)
        carried_on = value in self.following or value in self.carried
        self.contents.write(place, value, phase, both_shifts=not carried_on)

    def read(self, value: int, phase: str, reader: str) -> None:
        """Check one operand."""
        if self.trace[value].kind != ROWS:
            return
        place = self.placing.operand(value, phase)
        if isinstance(place, ExternalArray):
            if phase in (LOOP, BACK_LOOP):
                raise self.invalid(value, phase, reader, "an array of the caller is read step by step")
            return
        assert isinstance(place, BufferSlice)
        base, first = self.placing.base(value)
        written = self.contents.written(place, base, first)
        if written is None:
            raise self.invalid(value, phase, reader, "it is not there")
        kind = self.buffers[place.buffer].kind
        if kind == RING_BUFFER and phase != BACK_LOOP:
            raise self.invalid(value, phase, reader, "carried errors are there in the backward loop only")
        if kind == STEP_BUFFER and written != phase:
            raise self.invalid(value, phase, reader, f"it was there for one step of {written!r}")
        if kind == STATIC_BUFFER and reader in OVER_STEPS and phase not in (STATIC, LOOP, BACK_LOOP):
            raise self.invalid(value, phase, reader, "it has no time axis")

    def leave(self, phase: str, values: Sequence[int | None]) -> None:
        """Check what leaves the program over time at the end of a direction."""
        for value in values:
            if value is not None and value not in self.placing.leaving:
                self.read(value, phase, "rowsum")

    def invalid(self, value: int, phase: str, reader: str, problem: str) -> InvalidProgram:
        operation = self.trace[value]
        path = self.trace.paths[value]
        return InvalidProgram(f"{reader} in {phase!r} reads value {value} ({operation.name} of {path!r}): {problem}")
