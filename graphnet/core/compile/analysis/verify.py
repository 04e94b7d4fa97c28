"""Verify a buffer assignment: every read finds the value that it needs.

The calls are followed in execution order: once a run, then before, in and after the forward loop for one block of
steps, then the same backward. At each read the buffer slice must hold the value, written at a time that is still valid:
block buffers are lost between the two directions, step buffers outside their loop, carried errors outside the backward
loop. If ``tanh(a)`` overwrites ``a`` while another call still needs ``a``, compilation fails instead of computing wrong
numbers. Costs one walk over the calls.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from graphnet.core.compile.assignment import BufferAssignment, base_of
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
    Expanded,
    ExternalArray,
    InvalidProgram,
)
from graphnet.core.compile.trace.ir import ROWS
from graphnet.core.compile.trace.ufuncs import UFUNCS

#: Operations that read a whole block of steps at once outside the loops, where their operands need a time axis.
OVER_STEPS = frozenset(("dot", "dots", "outer", "rowsum"))


class Contents:
    """What each buffer holds: disjoint ranges of units, each with its end, a value, and the phase of the write."""

    def __init__(self) -> None:
        #: By buffer and shift: the first units of the ranges, in order, and the rest of each.
        self._ranges: dict[tuple[int, int], tuple[list[int], list[tuple[int, int, str]]]] = {}

    def write(self, location: BufferSlice, value: int, phase: str, both_shifts: bool) -> None:
        """Record that a slice holds a value; with ``both_shifts``, what it held at the next step is lost, too."""
        for shift in (0, 1) if both_shifts else (location.shift,):
            ranges = self._ranges.get((location.buffer, shift))
            if ranges is not None:
                starts, held = ranges
                first, last = bisect_right(starts, location.start), bisect_left(starts, location.stop)
                if first and held[first - 1][0] > location.start:
                    first -= 1
                if first < last:
                    del starts[first:last], held[first:last]
        starts, held = self._ranges.setdefault((location.buffer, location.shift), ([], []))
        position = bisect_left(starts, location.start)
        starts.insert(position, location.start)
        held.insert(position, (location.stop, value, phase))

    def forget(self, buffer: int) -> None:
        """Record that a buffer holds no value."""
        for shift in (0, 1):
            self._ranges.pop((buffer, shift), None)

    def written(self, location: BufferSlice, value: int, first: int) -> str | None:
        """Return the phase in which a value, from its unit ``first`` on, was written to a slice; None if it was not."""
        ranges = self._ranges.get((location.buffer, location.shift))
        if ranges is None:
            return None
        starts, held = ranges
        position = bisect_right(starts, location.start) - 1
        if position < 0:
            return None
        stop, found, phase = held[position]
        right = found == value and location.stop <= stop and location.start - starts[position] == first
        return phase if right else None


def verify(assignment: BufferAssignment) -> None:
    """Check a buffer assignment.

    Raises
    ------
    InvalidProgram
        If a value is read from a slice that does not hold it.
    """
    _Verifier(assignment).run()


class _Verifier:
    """Follows the calls of one assignment."""

    def __init__(self, assignment: BufferAssignment) -> None:
        self.trace, self.assignment = assignment.trace, assignment
        self.buffers: Sequence[Buffer] = assignment.buffers
        self.contents = Contents()
        self.next_states = set(self.trace.roles.next_states)
        self.carried_errors = {v for v in self.trace.roles.carried_errors if v is not None}

    def run(self) -> None:
        self.enter()
        sections = (STATIC, *FORWARD, *BACKWARD)
        groups = {phase: [g for p, g in self.assignment.calls if p == phase] for phase in sections}
        for phase in (STATIC, *FORWARD):
            self.phase(phase, groups[phase])
        self.leave(FORWARD[-1], self.trace.roles.emitted)
        self.turn_around()
        for phase in BACKWARD:
            self.phase(phase, groups[phase])
        roles = self.trace.roles
        self.leave(BACKWARD[-1], (*roles.sequence_errors, *roles.context_errors))
        for value, operation in enumerate(self.trace.values):
            if operation.name in ("outer", "rowsum") and self.assignment.phase_of[value] != "unused":
                for arg in operation.args:
                    self.read(arg, BACKWARD[-1], operation.name)

    def enter(self) -> None:
        """Write states, carried errors, and what is staged for the forward pass."""
        for value, operation in enumerate(self.trace.values):
            if operation.name in ("state", "carried_error") and (value, "") in self.assignment.allocation_of:
                self.contents.write(self.assignment.slice_of(value, LOOP), value, "", False)
        self.stage(FORWARD[0])
        self.stage(STATIC)

    def stage(self, first_phase: str) -> None:
        """Write what is copied in at the beginning of one direction."""
        leaves = {(o.name, o.attr): v for v, o in enumerate(self.trace.values) if not o.args and o.kind == ROWS}
        for name, attr, allocation, phase in self.assignment.staged:
            if phase == first_phase:
                value = leaves[name, attr]
                self.contents.write(self.assignment.whole(allocation), value, first_phase, True)

    def turn_around(self) -> None:
        """Forget what is lost between forward and backward: other blocks have used the block buffers."""
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
                if value not in self.assignment.external_outputs:
                    self.write(value, phase)

    def write(self, value: int, phase: str) -> None:
        location = self.assignment.slice_of(value, phase)
        carried_over = value in self.next_states or value in self.carried_errors
        self.contents.write(location, value, phase, both_shifts=not carried_over)

    def read(self, value: int, phase: str, reader: str) -> None:
        """Check one operand."""
        if self.trace[value].kind != ROWS:
            return
        location = self.assignment.operand(value, phase)
        if isinstance(location, Expanded):
            if not self.reads_expanded(value, location, reader):
                raise self.invalid(value, phase, reader, "it has no storage of its own")
            location = location.source
        if isinstance(location, ExternalArray):
            if phase in (LOOP, BACK_LOOP):
                raise self.invalid(value, phase, reader, "an array of the caller is read step by step")
            return
        assert isinstance(location, BufferSlice)
        base, first = base_of(self.trace, value)
        written = self.contents.written(location, base, first)
        if written is None:
            raise self.invalid(value, phase, reader, "the slice does not hold it")
        kind = self.buffers[location.buffer].kind
        if kind == RING_BUFFER and phase != BACK_LOOP:
            raise self.invalid(value, phase, reader, "carried errors exist in the backward loop only")
        if kind == STEP_BUFFER and written != phase:
            raise self.invalid(value, phase, reader, f"it is valid for one step of {written!r} only")
        if kind == STATIC_BUFFER and reader in OVER_STEPS and phase not in (STATIC, LOOP, BACK_LOOP):
            raise self.invalid(value, phase, reader, "it has no time axis")

    def reads_expanded(self, value: int, location: Expanded, reader: str) -> bool:
        """Whether a reader can read units several times: as many as the value has, in an elementwise operation."""
        elementwise = reader in UFUNCS or reader in ("where", "copy")
        source, repeated = location.source, self.trace[value].args[0]
        widths = source.width == self.trace[repeated].width == location.outer * location.inner
        return elementwise and widths and location.width == self.trace[value].width

    def leave(self, phase: str, values: Sequence[int | None]) -> None:
        """Check the values that leave the program at the end of a direction."""
        for value in values:
            if value is not None and value not in self.assignment.external_outputs:
                self.read(value, phase, "rowsum")

    def invalid(self, value: int, phase: str, reader: str, problem: str) -> InvalidProgram:
        operation = self.trace[value]
        path = self.trace.paths[value]
        return InvalidProgram(f"{reader} in {phase!r} reads value {value} ({operation.name} of {path!r}): {problem}")
