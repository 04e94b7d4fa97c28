"""Where each value of a trace is stored: the result of buffer allocation, read by program assembly and the verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphnet.core.compile.program import (
    BACK_LOOP,
    BACKWARD,
    FORWARD,
    LOOP,
    RING_BUFFER,
    Buffer,
    BufferSlice,
    Expanded,
    ExternalArray,
    InvalidProgram,
    Operand,
    Scalar,
)
from graphnet.core.compile.trace.ir import CONSTANT, ROWS, Trace

#: Leaves that are arrays of the caller.
EXTERNAL_LEAVES = ("sequence", "emitted_error")


def reads_external(name: str, phase: str) -> bool:
    """Whether a leaf can be read from the caller's array: products outside the loops do, over many steps at once."""
    return name in EXTERNAL_LEAVES and phase not in (LOOP, BACK_LOOP)


def direction(phase: str) -> str:
    """The first phase of the direction that a phase belongs to."""
    return FORWARD[0] if phase in FORWARD else BACKWARD[0]


@dataclass(slots=True)
class Allocation:
    """A range of units that holds one value, and those that overwrite it later; not if ``pinned``."""

    kind: str
    width: int
    boolean: bool
    shift: int = 0
    pinned: bool = False


@dataclass(slots=True, eq=False)
class BufferAssignment:
    """The buffer slices of the values of one trace.

    Attributes
    ----------
    phase_of : sequence of str
        The phase of each value.
    calls : list of (phase, values)
        In execution order; values of one group are computed by as few calls as their slices allow.
    allocation_of : dict
        The allocation, by number, of (value, direction); the direction is "" for values with one allocation.
    staged : list of (name, key, allocation, phase)
        Leaves that are copied into buffers.
    external_outputs : dict
        Products that are written to the caller's array of errors for a sequence, by value: the number of the sequence.
    buffers : list of Buffer
    offsets : dict
        Buffer and first unit of each allocation.
    """

    trace: Trace
    phase_of: Sequence[str]
    calls: list[tuple[str, list[int]]]
    allocations: list[Allocation]
    allocation_of: dict[tuple[int, str], int]
    staged: list[tuple[str, object, int, str]]
    external_outputs: Mapping[int, int]
    buffers: list[Buffer]
    offsets: Mapping[int, tuple[int, int]]
    #: Known slices: of values with one allocation, and of others by direction.
    _slices: dict[int, BufferSlice] = field(default_factory=dict, init=False)
    _directed: dict[tuple[int, bool], BufferSlice] = field(default_factory=dict, init=False)

    def slice_of(self, value: int, phase: str) -> BufferSlice:
        """Where a value is stored, as one phase sees it."""
        cached = self._slices.get(value)
        if cached is None:
            base, _ = base_of(self.trace, value)
            if (base, "") in self.allocation_of:
                cached = self._slices[value] = self._slice_of(value, phase)
                return cached
            key = (value, phase in FORWARD)
            cached = self._directed.get(key)
            if cached is None:
                cached = self._directed[key] = self._slice_of(value, phase)
        return cached

    def _slice_of(self, value: int, phase: str) -> BufferSlice:
        if self.trace[value].name == "expand":
            raise InvalidProgram(f"value {value} is read as a slice, and has no storage of its own")
        base, start = base_of(self.trace, value)
        number = self.allocation_of.get((base, ""))
        if number is None:
            number = self.allocation_of[base, direction(phase)]
        buffer, offset = self.offsets[number]
        roles, allocation = self.trace.roles, self.allocations[number]
        shift = allocation.shift if base in roles.next_states else 0
        if allocation.kind == RING_BUFFER:
            shift = 1 if base in roles.next_states or base in roles.carried_errors else 0
        return BufferSlice(buffer, offset + start, offset + start + self.trace[value].width, shift)

    def whole(self, allocation: int) -> BufferSlice:
        """The slice of a whole allocation."""
        buffer, offset = self.offsets[allocation]
        return BufferSlice(buffer, offset, offset + self.allocations[allocation].width)

    def operand(self, value: int, phase: str) -> Operand:
        """A value as an operand of an instruction."""
        cached = self._slices.get(value)
        if cached is not None:
            return cached
        operation = self.trace.values[value]
        if operation.name == "expand":
            source = self.operand(operation.args[0], phase)
            if not isinstance(source, BufferSlice):
                raise InvalidProgram(f"value {value} repeats units of {source}, which is not in a buffer")
            return Expanded(source, *operation.attr)
        if operation.kind == CONSTANT:
            return Scalar(float(operation.attr))
        if reads_external(operation.name, phase):
            staged = (value, direction(phase)) in self.allocation_of or (value, "") in self.allocation_of
            if not staged:
                return ExternalArray(operation.name, int(operation.attr), operation.width)
        return self.slice_of(value, phase)


def base_of(trace: Trace, value: int) -> tuple[int, int]:
    """The value whose allocation holds a value, and the first unit there: columns are part of another value.

    Of a value that is expanded, where the units are that it repeats.
    """
    operation, start = trace.values[value], 0
    if operation.name == "expand":
        value = operation.args[0]
        operation = trace.values[value]
    while operation.name == "columns":
        start += operation.attr[0]
        value = operation.args[0]
        operation = trace.values[value]
    return value, start


def slice_operands(trace: Trace, value: int) -> list[int]:
    """The operands of rows whose slices matter for merging calls: not those of a product."""
    operation = trace[value]
    return [] if operation.name in ("dot", "dots") else [a for a in operation.args if trace[a].kind == ROWS]
