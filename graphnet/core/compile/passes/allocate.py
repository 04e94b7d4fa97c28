"""Allocate storage for every value in planned buffers, so that a run allocates nothing.

``a = x + y; b = tanh(a)``: if ``a`` has no later use, ``b`` overwrites it. A value that the backward pass reads has
storage for every step, one that another phase reads for a block of steps, all others for the current step. A value is
overwritten only after its last use, not while another member of the same call reads it, and not if it is a state, a
carried error or saved for backward. Left out, each value has a buffer of its own. Costs one walk over the calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graphnet.core.compile.analysis.lifetimes import live_ranges
from graphnet.core.compile.analysis.wide_values import WIDE
from graphnet.core.compile.assignment import (
    EXTERNAL_LEAVES,
    Allocation,
    BufferAssignment,
    base_of,
    direction,
    slice_operands,
)
from graphnet.core.compile.notes import Note
from graphnet.core.compile.passes.layout import BufferLayout, Request
from graphnet.core.compile.passes.stage import Staging
from graphnet.core.compile.program import (
    BACK_LOOP,
    BACKWARD,
    BLOCK_BUFFER,
    FORWARD,
    FULL_BUFFER,
    LOOP,
    RING_BUFFER,
    STATIC,
    STATIC_BUFFER,
    STEP_BUFFER,
)
from graphnet.core.compile.trace.ir import ROWS, VIEWS, Trace

#: Buffers that a value may need, ordered by lifetime.
LIFETIME = {STEP_BUFFER: 0, BLOCK_BUFFER: 1, FULL_BUFFER: 2}
#: How much more a call in a loop counts than one outside.
LOOP_WEIGHT = 8


def allocate(
    trace: Trace, phase_of: Sequence[str], groups: dict[str, list[list[int]]], reuse: bool, share: bool
) -> tuple[BufferAssignment, Note]:
    """Return the storage of each value; with ``reuse`` values overwrite others, with ``share`` they share buffers."""
    assignment = _Allocator(trace, phase_of, groups, reuse).run(share)

    def note() -> str:
        alone = assignment if not reuse else _Allocator(trace, phase_of, groups, False).run(share)
        before, after = (sum(buffer.units for buffer in a.buffers) for a in (alone, assignment))
        return f"{before} units of buffers -> {after}" if reuse else f"left out; {after} units of buffers"

    return assignment, note


class _Allocator:
    """Allocates the values of one trace."""

    def __init__(self, trace: Trace, phase_of: Sequence[str], groups: dict[str, list[list[int]]], reuse: bool) -> None:
        self.trace, self.phase_of, self.reuse = trace, phase_of, reuse
        self.calls = [(phase, group) for phase in groups for group in groups[phase]]
        self.ranges = live_ranges(trace, phase_of, self.calls)
        self.allocations: list[Allocation] = []
        self.allocation_of: dict[tuple[int, str], int] = {}
        self.staged: list[tuple[str, object, int, str]] = []
        #: The phase and the last value of the wide allocations of the loops.
        self.held: dict[int, tuple[str, int]] = {}
        self.external_outputs = self._external_outputs()

    def run(self, share: bool) -> BufferAssignment:
        self._leaves()
        self._loop_results()
        for number, (phase, group) in enumerate(self.calls):
            self._results(number, phase, group)
        layout = BufferLayout(self._requests(), self.allocations, share)
        return BufferAssignment(
            self.trace,
            self.phase_of,
            self.calls,
            self.allocations,
            self.allocation_of,
            self.staged,
            self.external_outputs,
            layout.buffers,
            layout.offsets,
        )

    def _external_outputs(self) -> dict[int, int]:
        """Products whose only use is to be the error for a sequence, which they are written to directly."""
        roles = self.trace.roles
        if all(v is None for v in roles.sequence_errors):
            return {}
        outputs: dict[int, int] = {}
        uses = Counter(roles.all())
        operands = {a for operation in self.trace.values for a in operation.args}
        alone = {group[0] for _, group in self.calls if len(group) == 1}
        for k, v in enumerate(roles.sequence_errors):
            if v is None or v not in alone or self.trace[v].name not in ("dot", "dots"):
                continue
            if v not in operands and uses[v] == 1 and self.phase_of[v] == BACKWARD[-1]:
                outputs[v] = k
        return outputs

    def _new(self, kind: str, width: int, boolean: bool = False, shift: int = 0, pinned: bool = False) -> int:
        self.allocations.append(Allocation(kind, width, boolean, shift, pinned))
        return len(self.allocations) - 1

    def _read_backward(self, phases: set[str]) -> bool:
        return any(p in BACKWARD for p in phases)

    # ------------------------------------------------------------------ leaves, states, carried errors
    def _leaves(self) -> None:
        """Allocate leaves."""
        staging = Staging(self.trace, self.phase_of, self.calls)
        for value, operation in enumerate(self.trace.values):
            if operation.kind != ROWS or self.phase_of[value] != "leaf":
                continue
            if operation.name == "carried_error":
                self.allocation_of[value, ""] = self._new(RING_BUFFER, operation.width)
            elif operation.name in EXTERNAL_LEAVES:
                phases = self.ranges[value].phases
                for way in staging.copies(value, phases):
                    kind = FULL_BUFFER if not way and self._read_backward(phases) else BLOCK_BUFFER
                    self._stage(value, kind, way, way or FORWARD[0])
            elif operation.name == "context":
                self._stage(value, STATIC_BUFFER, "", STATIC)
            elif operation.name == "draw":
                self._stage(value, FULL_BUFFER, "", STATIC)
            elif operation.name == "ones":
                kind = FULL_BUFFER if self._read_backward(self.ranges[value].phases) else BLOCK_BUFFER
                self._stage(value, kind, "", STATIC)

    def _stage(self, value: int, kind: str, way: str, phase: str) -> None:
        operation = self.trace[value]
        allocation = self.allocation_of[value, way] = self._new(kind, operation.width, pinned=True)
        self.staged.append((operation.name, operation.attr, allocation, phase))

    def _loop_results(self) -> None:
        """Allocate next states and carried errors where the next step reads them."""
        roles = self.trace.roles
        leaves = {
            (op.name, op.attr): v for v, op in enumerate(self.trace.values) if op.name in ("state", "carried_error")
        }
        for k, value in enumerate(roles.next_states):
            leaf = leaves.get(("state", k))
            phases = self.ranges[value].phases | (self.ranges[leaf].phases if leaf is not None else set())
            kind = FULL_BUFFER if self._read_backward(phases) else BLOCK_BUFFER
            allocation = self._new(kind, self.trace[value].width, shift=1, pinned=True)
            self.allocation_of[value, ""] = allocation
            if leaf is not None:
                self.allocation_of[leaf, ""] = allocation
        for k, error in enumerate(roles.carried_errors):
            if error is not None:
                number = self.allocation_of.get((leaves.get(("carried_error", k), -1), ""))
                if number is None:  # the error for a state that nothing reads
                    number = self._new(RING_BUFFER, self.trace[error].width)
                self.allocation_of[error, ""] = number

    # ------------------------------------------------------------------ results of calls
    def _results(self, number: int, phase: str, group: list[int]) -> None:
        """Allocate the results of one group, or overwrite operands that are not needed any more."""
        overwritten = self._overwritten(number, phase, group) if self.reuse else None
        for j, value in enumerate(group):
            if (value, "") in self.allocation_of or value in self.external_outputs:
                continue
            operation = self.trace[value]
            kind = self._kind(value, phase)
            if overwritten is None:
                allocation = self._unused(number, phase, value, kind)
                if allocation is None:
                    allocation = self._new(kind, operation.width, operation.boolean, pinned=kind == FULL_BUFFER)
                self.allocation_of[value, ""] = allocation
                self._hold(phase, value, allocation)
                continue
            self.allocation_of[value, ""] = overwritten[j]
            self._hold(phase, value, overwritten[j])
            reused = self.allocations[overwritten[j]]
            if kind == FULL_BUFFER:
                reused.pinned = True
            if reused.kind in LIFETIME and LIFETIME[kind] > LIFETIME[reused.kind]:
                reused.kind = kind

    def _hold(self, phase: str, value: int, allocation: int) -> None:
        """Note the value that a wide allocation of a loop holds last."""
        inner_axes = self.trace.has("expand", "reduce_axis")
        if inner_axes and phase in (LOOP, BACK_LOOP) and self.trace.values[value].width >= WIDE:
            self.held[allocation] = (phase, value)

    def _unused(self, number: int, phase: str, value: int, kind: str) -> int | None:
        """An allocation for a wide value of one step, whose value no call reads any more; None if there is none.

        So the wide values of a step take little of the cache.
        """
        width, boolean = self.trace.values[value].width, self.trace.values[value].boolean
        if not self.reuse or kind != STEP_BUFFER or width < WIDE:
            return None
        for allocation, (held_in, held) in self.held.items():
            a = self.allocations[allocation]
            fits = held_in == phase and a.kind == STEP_BUFFER and not a.pinned
            if fits and (a.width, a.boolean) == (width, boolean) and -1 < self.ranges[held].last < number:
                return allocation
        return None

    def _kind(self, value: int, phase: str) -> str:
        """The lifetime that a value needs."""
        if phase == STATIC:
            return STATIC_BUFFER
        read = self.ranges[value].phases
        if phase in FORWARD and self._read_backward(read):
            return FULL_BUFFER
        return STEP_BUFFER if phase in (LOOP, BACK_LOOP) and read <= {phase} else BLOCK_BUFFER

    def _overwritten(self, number: int, phase: str, group: list[int]) -> list[int] | None:
        """The allocations of one operand of each member, if all of them can be overwritten."""
        values = self.trace.values
        first = values[group[0]]
        if not first.elementwise or phase == STATIC:
            return None
        for value in group:
            if (value, "") in self.allocation_of:
                return None
        if first.name == "where":  # takes two calls, of which the first would destroy an operand of the second
            return None
        found = []
        for position, arg in enumerate(first.args):
            candidates = [self._reusable(number, phase, value, values[value].args[position]) for value in group]
            allocations = [a for a in candidates if a is not None]
            if len(set(allocations)) == len(group):
                found.append((arg, allocations))
        if len(found) > 1:
            found.sort(key=lambda operand: self._other_kind(group[0], operand[0], phase))
        return found[0][1] if found else None

    def _other_kind(self, value: int, arg: int, phase: str) -> bool:
        """Whether the lifetime of an operand differs from the one that the value needs."""
        number = self.allocation_of.get((arg, ""))
        return number is None or self.allocations[number].kind != self._kind(value, phase)

    def _reusable(self, number: int, phase: str, value: int, arg: int) -> int | None:
        """The allocation of an operand that is read here for the last time, and may hold the value."""
        if self.ranges[arg].last != number or self.ranges[arg].count != 1:
            return None
        operand, result = self.trace.values[arg], self.trace.values[value]
        fits = operand.kind == ROWS and operand.shape == result.shape and operand.boolean == result.boolean
        allocation = self.allocation_of.get((arg, ""))
        if not fits or allocation is None or operand.name in VIEWS:
            return None
        kind = self.allocations[allocation].kind
        if self.allocations[allocation].pinned or kind == STATIC_BUFFER:
            return None
        carried = operand.name == "carried_error"
        if kind == RING_BUFFER and (not carried or self._kind(value, phase) != STEP_BUFFER):
            return None
        same_direction = (self.phase_of[arg] in FORWARD) == (phase in FORWARD)
        return allocation if carried or same_direction else None

    # ------------------------------------------------------------------ neighbours
    def _requests(self) -> list[Request]:
        """For each group, the weight of a call, and for each member the allocations that should be neighbours."""
        requests: list[Request] = []
        for phase, group in self.calls:
            weight = LOOP_WEIGHT if phase in (LOOP, BACK_LOOP) else 1
            first = self.trace[group[0]]
            if first.name == "dots":
                requests.append((weight, [(self._allocation(a, phase),) for a in first.args[::2]]))
            if len(group) > 1:
                rows = [(value, slice_operands(self.trace, value)) for value in group]
                chains = [(self.allocation_of[v, ""], *(self._allocation(a, phase) for a in args)) for v, args in rows]
                requests.append((weight, chains))
        return requests

    def _allocation(self, value: int, phase: str) -> int:
        base, _ = base_of(self.trace, value)
        number = self.allocation_of.get((base, ""))
        return self.allocation_of[base, direction(phase)] if number is None else number
