"""Give every value a place in a planned buffer.

``a = x + y; b = tanh(a)``: where ``a`` is not used again, ``b`` is made in its place. A value that the way back needs
has room for every step; one that another phase needs, for a block of steps; the others for the step that is being
made. Values are written over only after their last use, never while a mate of the same call still reads them, and
never where they are a state, a carried error or kept for the way back. Off: each value has a buffer of its own. Costs
one walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphnet.core.compile.passes.layout import BufferLayout
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
    BufferSlice,
    ExternalArray,
    Operand,
    Scalar,
)
from graphnet.core.compile.trace.ir import CONSTANT, ROWS, Trace

#: How long buffers last, from the shortest.
LASTING = {STEP_BUFFER: 0, BLOCK_BUFFER: 1, FULL_BUFFER: 2}
STAGED_LEAVES = ("sequence", "emitted_error")


@dataclass(slots=True)
class Allocation:
    """A range of units that one value, and those that take its place later, live in."""

    kind: str
    width: int
    boolean: bool
    shift: int = 0
    pinned: bool = False


@dataclass(slots=True)
class LiveRange:
    """Where a value is read: the last group, by its number, and how often there; and whether on the way back."""

    last: int = -1
    count: int = 0
    phases: set[str] = field(default_factory=set)


class BufferAssignment:
    """The places of one trace."""

    def __init__(
        self, trace: Trace, when: Sequence[str], groups: dict[str, list[list[int]]], reuse: bool, arrange: bool
    ) -> None:
        self.trace, self.when, self.groups, self.reuse = trace, when, groups, reuse
        self.backward = any(when[v] in BACKWARD for v in range(len(trace)))
        self.homes: list[Allocation] = []
        self.home: dict[tuple[int, str], int] = {}
        self.staged: list[tuple[str, object, int, str]] = []
        self.sequence = [(phase, group) for phase in groups for group in groups[phase]]
        self.uses = self._uses()
        self.leaving = self._leaving()
        self._leaves()
        self._outcomes()
        for number, (phase, group) in enumerate(self.sequence):
            self._settle(number, phase, group)
        self.arrangement = BufferLayout(self._wants(), self.homes, arrange)
        self._places: dict[tuple[int, bool], BufferSlice] = {}

    # ------------------------------------------------------------------ what is read, and where
    def base(self, value: int) -> tuple[int, int]:
        """The value whose home holds a value, and the first unit there (columns are part of another's home)."""
        operation, start = self.trace.values[value], 0
        while operation.name == "columns":
            start += operation.attr[0]
            value = operation.args[0]
            operation = self.trace.values[value]
        return value, start

    def _uses(self) -> list[LiveRange]:
        uses = [LiveRange() for _ in range(len(self.trace))]
        for number, (phase, group) in enumerate(self.sequence):
            for member in group:
                for arg in self.trace.values[member].args:
                    self._use(uses, arg, number, phase)
        after = len(self.sequence)
        for value, operation in enumerate(self.trace.values):
            if operation.name in ("outer", "rowsum") and self.when[value] != "unused":
                for arg in operation.args:
                    self._use(uses, arg, after, BACKWARD[-1])
        roles = self.trace.roles
        for value in roles.emitted:
            self._use(uses, value, after, FORWARD[-1])
        for v in (*roles.sequence_errors, *roles.context_errors):
            if v is not None:
                self._use(uses, v, after, BACKWARD[-1])
        return uses

    def _use(self, uses: list[LiveRange], value: int, number: int, phase: str) -> None:
        found = uses[self.base(value)[0]]
        found.count = found.count + 1 if found.last == number else 1
        found.last = number
        found.phases.add(phase)

    def _leaving(self) -> dict[int, int]:
        """Products that are nothing but the error of a sequence: written where the run wants them, rows first."""
        found: dict[int, int] = {}
        roles = self.trace.roles
        if all(v is None for v in roles.sequence_errors):
            return found
        read = {a for operation in self.trace.values for a in operation.args}
        alone = {group[0] for _, group in self.sequence if len(group) == 1}
        for k, v in enumerate(roles.sequence_errors):
            if v is None or v not in alone or self.trace[v].name not in ("dot", "dots"):
                continue
            if v not in read and roles.all().count(v) == 1 and self.when[v] == BACKWARD[-1]:
                found[v] = k
        return found

    # ------------------------------------------------------------------ homes
    def _new(self, kind: str, width: int, boolean: bool = False, shift: int = 0, pinned: bool = False) -> int:
        self.homes.append(Allocation(kind, width, boolean, shift, pinned))
        return len(self.homes) - 1

    def direct(self, value: int, phase: str) -> bool:
        """Whether an array that the run was given can be read as it is: by products over many steps."""
        name = self.trace[value].name
        return name in STAGED_LEAVES and phase not in (LOOP, BACK_LOOP)

    def _leaves(self) -> None:
        """Homes for what comes from outside."""
        for value, operation in enumerate(self.trace.values):
            if operation.kind != ROWS or self.when[value] != "leaf":
                continue
            if operation.name == "context":
                self.home[value, ""] = self._new(STATIC_BUFFER, operation.width, pinned=True)
                self.staged.append((operation.name, operation.attr, self.home[value, ""], STATIC))
            elif operation.name == "draw":
                self.home[value, ""] = self._new(FULL_BUFFER, operation.width, pinned=True)
                self.staged.append((operation.name, operation.attr, self.home[value, ""], STATIC))
            elif operation.name == "ones":
                kind = FULL_BUFFER if any(p in BACKWARD for p in self.uses[value].phases) else BLOCK_BUFFER
                self.home[value, ""] = self._new(kind, 1, pinned=True)
                self.staged.append((operation.name, operation.attr, self.home[value, ""], STATIC))
            elif operation.name == "carried_error":
                self.home[value, ""] = self._new(RING_BUFFER, operation.width)
            elif operation.name in STAGED_LEAVES:
                self._stage(value)

    def _stage(self, value: int) -> None:
        """Copies of a given array, units first, for each direction in which it is read other than by block products.

        One copy for both directions where the forward loop multiplies it together with a state, whose neighbour it is.
        """
        if any(
            self.trace[m].name == "dots" and value in self.trace[m].args[::2]
            for p, g in self.sequence
            for m in g
            if p == LOOP
        ):
            kind = FULL_BUFFER if any(p in BACKWARD for p in self.uses[value].phases) else BLOCK_BUFFER
            home = self.home[value, ""] = self._new(kind, self.trace[value].width, pinned=True)
            self.staged.append((self.trace[value].name, self.trace[value].attr, home, FORWARD[0]))
            return
        for way in (FORWARD, BACKWARD):
            if any(self._reads_units(value, phase) for phase in self.uses[value].phases if phase in way):
                home = self._new(BLOCK_BUFFER, self.trace[value].width, pinned=True)
                self.home[value, way[0]] = home
                self.staged.append((self.trace[value].name, self.trace[value].attr, home, way[0]))

    def _reads_units(self, value: int, phase: str) -> bool:
        """Whether something in a phase needs the array units first."""
        roles = self.trace.roles
        outcomes = {FORWARD[-1]: roles.emitted, BACKWARD[-1]: (*roles.sequence_errors, *roles.context_errors)}
        if any(v is not None and self.base(v)[0] == value for v in outcomes.get(phase, ())):
            return True
        for number, operation in enumerate(self.trace.values):
            if self.when[number] != phase or not any(self.base(a)[0] == value for a in operation.args):
                continue
            if operation.name not in ("dot", "outer", "rowsum", "columns") or not self.direct(value, phase):
                return True
            if operation.name == "columns":
                return True
            if any(a != value and self.base(a)[0] == value for a in operation.args):
                return True
        return False

    def _outcomes(self) -> None:
        """Homes for next states and carried errors: where the next step looks for them."""
        roles = self.trace.roles
        leaves = {
            (op.name, op.attr): v for v, op in enumerate(self.trace.values) if op.name in ("state", "carried_error")
        }
        for k, value in enumerate(roles.next):
            leaf = leaves.get(("state", k))
            read = set(self.uses[value].phases) | (self.uses[leaf].phases if leaf is not None else set())
            kind = FULL_BUFFER if any(p in BACKWARD for p in read) else BLOCK_BUFFER
            home = self._new(kind, self.trace[value].width, shift=1, pinned=True)
            self.home[value, ""] = home
            if leaf is not None:
                self.home[leaf, ""] = home
        for k, carried in enumerate(roles.carried):
            if carried is not None:
                key = (leaves.get(("carried_error", k), -1), "")  # not there where nothing reads it
                new = key not in self.home
                self.home[carried, ""] = self._new(RING_BUFFER, self.trace[carried].width) if new else self.home[key]

    def _settle(self, number: int, phase: str, group: list[int]) -> None:
        """Homes for the values of one group: new ones, or those of operands that are not needed any more."""
        taken = self._takeover(number, phase, group) if self.reuse else None
        for j, value in enumerate(group):
            if (value, "") in self.home or value in self.leaving:
                continue
            operation = self.trace[value]
            kind = self._kind(value, phase)
            if taken is None:
                self.home[value, ""] = self._new(kind, operation.width, operation.boolean, pinned=kind == FULL_BUFFER)
                continue
            home = self.homes[taken[j]]
            self.home[value, ""] = taken[j]
            if kind == FULL_BUFFER:
                home.pinned = True
            if home.kind in LASTING and LASTING[kind] > LASTING[home.kind]:
                home.kind = kind

    def _kind(self, value: int, phase: str) -> str:
        """How long a value must last."""
        if phase == STATIC:
            return STATIC_BUFFER
        read = self.uses[value].phases
        if phase in FORWARD and any(p in BACKWARD for p in read):
            return FULL_BUFFER
        return STEP_BUFFER if phase in (LOOP, BACK_LOOP) and read <= {phase} else BLOCK_BUFFER

    def _takeover(self, number: int, phase: str, group: list[int]) -> list[int] | None:
        """The homes of one operand of each member, if all of them may be written over."""
        first = self.trace[group[0]]
        if not first.elementwise or any((value, "") in self.home for value in group) or phase == STATIC:
            return None
        if first.name == "where":  # is made in two strokes: the first would spoil an operand of the second
            return None
        for position in sorted(range(len(first.args)), key=lambda p: self._unlike(group[0], first.args[p], phase)):
            found = [self._free(number, phase, value, self.trace[value].args[position]) for value in group]
            homes = [h for h in found if h is not None]
            if len(set(homes)) == len(group):
                return homes
        return None

    def _unlike(self, value: int, arg: int, phase: str) -> bool:
        """Whether an operand lasts longer or shorter than the value would have to."""
        home = self.home.get((arg, ""))
        return home is None or self.homes[home].kind != self._kind(value, phase)

    def _free(self, number: int, phase: str, value: int, arg: int) -> int | None:
        """The home of an operand that is read here for the last time."""
        uses = self.uses[arg]
        if uses.last != number or uses.count != 1:
            return None
        operation, own = self.trace.values[arg], self.trace.values[value]
        fits = operation.kind == ROWS and operation.shape == own.shape and operation.boolean == own.boolean
        home = self.home.get((arg, ""))
        if not fits or home is None or operation.name == "columns":
            return None
        found = self.homes[home]
        if found.pinned or (found.kind == RING_BUFFER and self._kind(value, phase) != STEP_BUFFER):
            return None
        if found.kind == RING_BUFFER and operation.name != "carried_error":
            return None
        forward = phase in FORWARD
        made = operation.name == "carried_error" or (self.when[arg] in FORWARD) == forward
        return home if made and found.kind != STATIC_BUFFER else None

    # ------------------------------------------------------------------ neighbours
    def operands(self, value: int) -> list[int]:
        """The operands of a value whose places matter for its call: all but the rows of a product."""
        operation = self.trace[value]
        return [] if operation.name in ("dot", "dots") else list(operation.args)

    def _wants(self) -> list[tuple[int, list[tuple[int, ...]]]]:
        """For each group, how much a call counts, and for each member the homes that must follow each other."""
        wants: list[tuple[int, list[tuple[int, ...]]]] = []
        for phase, group in self.sequence:
            weight = 8 if phase in (LOOP, BACK_LOOP) else 1
            if self.trace[group[0]].name == "dots":
                wants.append((weight, [(self.at(a, phase)[0],) for a in self.trace[group[0]].args[::2]]))
            if len(group) > 1:
                wants.append((weight, [self._homes_of(value, phase) for value in group]))
        return wants

    def _homes_of(self, value: int, phase: str) -> tuple[int, ...]:
        rows = [a for a in self.operands(value) if self.trace[a].kind == ROWS]
        return (self.home[value, ""], *(self.at(a, phase)[0] for a in rows))

    def at(self, value: int, phase: str) -> tuple[int, int]:
        """The home of a value as one phase sees it, and the first unit in it."""
        base, start = self.base(value)
        home = self.home.get((base, ""))
        if home is None:
            home = self.home[base, FORWARD[0] if phase in FORWARD else BACKWARD[0]]
        return home, start

    # ------------------------------------------------------------------ the program
    def place(self, value: int, phase: str) -> BufferSlice:
        """Where a value is."""
        key = (value, phase in FORWARD)
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = self._place(value, phase)
        return found

    def _place(self, value: int, phase: str) -> BufferSlice:
        home, start = self.at(value, phase)
        buffer, offset = self.arrangement.places[home]
        base = self.base(value)[0]
        follows = base in self.trace.roles.next or base in [c for c in self.trace.roles.carried if c is not None]
        ahead = self.homes[home].shift if base in self.trace.roles.next else 0
        if self.homes[home].kind == RING_BUFFER:
            ahead = 1 if follows else 0
        return BufferSlice(buffer, offset + start, offset + start + self.trace[value].width, ahead)

    def operand(self, value: int, phase: str) -> Operand:
        """A value as one phase reads it."""
        operation = self.trace[value]
        if operation.kind == CONSTANT:
            return Scalar(float(operation.attr))
        if operation.name in STAGED_LEAVES and self.direct(value, phase):
            way = FORWARD[0] if phase in FORWARD else BACKWARD[0]
            if (value, way) not in self.home and (value, "") not in self.home:
                return ExternalArray(operation.name, int(operation.attr), operation.width)
        return self.place(value, phase)
