"""Turn a placed trace into a program: steps, packs of weights, sums over rows, and what is made of them.

Mates whose places turned out to be neighbours become one step; a value that is nothing but the error of a sequence is
written where the run wants it; gradients that lie below each other in one array of sums are parts of it, not copies.
Costs one walk over the groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from graphnet.core.compile.passes.allocate import BufferAssignment
from graphnet.core.compile.passes.layout import runs
from graphnet.core.compile.program import (
    BACK_LOOP,
    BACKWARD,
    FORWARD,
    LOOP,
    Accumulator,
    AccumulatorSlice,
    AccumulatorTerm,
    BufferSlice,
    Expression,
    ExternalArray,
    Instruction,
    InvalidProgram,
    Operand,
    Pack,
    PackRef,
    Program,
    Scalar,
)
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, ROWS, TOTAL, Trace


def assemble(trace: Trace, placing: BufferAssignment) -> Program:
    """The plan of a placed trace."""
    return _Program(trace, placing).run()


class _Program:
    """One program in the making."""

    def __init__(self, trace: Trace, placing: BufferAssignment) -> None:
        self.trace, self.placing = trace, placing
        self.fixed: dict[int, int] = {}
        self.fixed_list: list[Expression] = []
        self.packs: dict[Pack, int] = {}
        self.steps: list[Instruction] = []
        self.positions = placing.arrangement.places

    def run(self) -> Program:
        placing, roles = self.placing, self.trace.roles
        leaving = placing.leaving
        for phase, group in placing.sequence:
            self.group(phase, group, leaving)
        last_forward, last_backward = FORWARD[-1], BACKWARD[-1]
        sinks, parts = self.sinks()
        totals = self.totals(parts)
        errors: list[BufferSlice | ExternalArray | None] = []
        for k, v in enumerate(roles.sequence_errors):
            given = v is not None and leaving.get(v) == k
            errors.append(None if v is None else self.error(v, k, given))
        return Program(
            tuple(placing.arrangement.buffers),
            tuple(self.fixed_list),
            tuple(self.packs),
            tuple(self.steps),
            tuple(sinks),
            tuple((n, attr, self.whole(home), way) for n, attr, home, way in placing.staged),
            tuple(placing.place(v, last_forward) for v in roles.emitted),
            tuple(placing.place(v, LOOP) for v in roles.next),
            tuple(placing.place(v, BACK_LOOP) for v in roles.carried if v is not None),
            tuple(errors),
            tuple(None if v is None else placing.place(v, last_backward) for v in roles.context_errors),
            totals[0],
            tuple((key, totals[1][v]) for key, v in roles.gradients.items()),
        )

    def error(self, value: int, index: int, given: bool) -> BufferSlice | ExternalArray:
        if given:
            return ExternalArray("sequence_error", index, self.trace[value].width)
        return self.placing.place(value, BACKWARD[-1])

    def whole(self, home: int) -> BufferSlice:
        buffer, offset = self.positions[home]
        return BufferSlice(buffer, offset, offset + self.placing.homes[home].width)

    # ------------------------------------------------------------------ steps
    def group(self, phase: str, group: list[int], leaving: dict[int, int]) -> None:
        first = self.trace[group[0]]
        if first.name == "dots":
            for run in self.runs(phase, group):
                self.dots(phase, run, leaving)
        elif first.name == "join":
            for part, place in self.parts(phase, group[0]):
                self.steps.append(
                    Instruction(phase, "copy", place, (self.placing.operand(part, phase),), paths=self.paths(group))
                )
        elif group[0] in leaving:
            output = ExternalArray("sequence_error", leaving[group[0]], first.width)
            rows = self.placing.operand(first.args[0], phase)
            pack = self.pack("product", [first.args[1]])
            self.steps.append(Instruction(phase, "dot", output, (rows, pack), paths=self.paths(group)))
        else:
            for run in self.runs(phase, group):
                self.call(phase, run)

    def paths(self, values: Sequence[int]) -> tuple[str, ...]:
        """The nodes that a call works for."""
        return tuple(dict.fromkeys(self.trace.paths[v] for v in values))

    def parts(self, phase: str, join: int) -> Iterable[tuple[int, BufferSlice]]:
        place, start = self.placing.place(join, phase), 0
        for part in self.trace[join].args:
            width = self.trace[part].width
            yield part, BufferSlice(place.buffer, place.start + start, place.start + start + width, place.shift)
            start += width

    def runs(self, phase: str, group: list[int]) -> list[list[int]]:
        """The members of a group in runs of neighbours."""
        if len(group) == 1:
            return [group]
        chains = {}
        for value in group:
            rows = [a for a in self.placing.operands(value) if self.trace[a].kind == ROWS]
            chains[value] = tuple(self.placing.place(v, phase) for v in (value, *rows))
        return runs(group, chains)

    def call(self, phase: str, run: list[int]) -> None:
        """One call for a run of mates."""
        first = self.trace[run[0]]
        places = [self.placing.place(v, phase) for v in run]
        output = merged(places)
        if first.name == "dot":
            operands: tuple[Operand, ...] = (
                self.placing.operand(first.args[0], phase),
                self.pack("product", [self.trace[v].args[1] for v in run]),
            )
        else:
            operands = tuple(self.together(phase, run, i) for i in range(len(first.args)))
        attr = first.attr if first.name == "reduce" else None
        self.steps.append(Instruction(phase, first.name, output, operands, attr, paths=self.paths(run)))

    def together(self, phase: str, run: list[int], position: int) -> Operand:
        """One operand of a run of mates."""
        values = [self.trace[v].args[position] for v in run]
        operation = self.trace[values[0]]
        if operation.kind == FIXED:
            stretched = operation.width != self.trace[run[0]].width  # mates read the same one: see lanes
            return self.pack("units", values[:1] if stretched else values)
        if operation.kind == CONSTANT:
            return Scalar(float(operation.attr))
        if len(values) == 1:
            return self.placing.operand(values[0], phase)
        return merged([self.placing.place(v, phase) for v in values])

    def dots(self, phase: str, run: list[int], leaving: dict[int, int]) -> None:
        """Sums of products of the same rows, in as few products as the places of the rows allow."""
        rows = self.trace[run[0]].args[::2]
        chains = {i: (self.placing.place(r, phase),) for i, r in enumerate(rows)}
        output: BufferSlice | ExternalArray
        if run[0] in leaving:
            output = ExternalArray("sequence_error", leaving[run[0]], self.trace[run[0]].width)
        else:
            output = merged([self.placing.place(v, phase) for v in run])
        for number, block in enumerate(runs(list(chains), chains)):
            operand = merged([chains[i][0] for i in block])
            pack = self.pack("product", [self.trace[v].args[2 * i + 1] for v in run for i in block], len(block))
            paths = self.paths([*run, *(rows[i] for i in block)])
            self.steps.append(Instruction(phase, "dot", output, (operand, pack), None, number > 0, paths))

    def pack(self, form: str, values: Sequence[int], deep: int = 1) -> PackRef:
        found = Pack(form, tuple(self.fixed_value(v) for v in values), deep)
        return PackRef(self.packs.setdefault(found, len(self.packs)))

    def fixed_value(self, value: int) -> int:
        """The number of a fixed value in the program."""
        if value not in self.fixed:
            operation = self.trace[value]
            args = tuple(self.fixed_value(a) for a in operation.args)
            name = operation.name
            self.fixed_list.append(Expression(name, args, operation.attr, operation.shape))
            self.fixed[value] = len(self.fixed_list) - 1
        return self.fixed[value]

    # ------------------------------------------------------------------ sums over rows
    def sum(self, value: int) -> bool:
        return self.trace[value].name in ("outer", "rowsum") and self.placing.when[value] != "unused"

    def sinks(self) -> tuple[list[Accumulator], dict[int, AccumulatorSlice]]:
        """The sums over rows and steps, in as few products as the places allow; which part of them each value is."""
        phase = BACKWARD[-1]
        by_left: dict[int | None, list[int]] = {}
        for value, operation in enumerate(self.trace.values):
            if self.sum(value):
                by_left.setdefault(operation.args[0] if operation.name == "outer" else None, []).append(value)
        rows: dict[tuple[Operand, ...], list[tuple[Operand | None, list[int]]]] = {}
        for left, values in by_left.items():
            right = {v: self.placing.operand(self.trace[v].args[-1], phase) for v in values}
            chains = {v: (place,) for v, place in right.items() if isinstance(place, BufferSlice)}
            single = [[v] for v in values if v not in chains]
            operand = None if left is None else self.placing.operand(left, phase)
            for run in [*runs(list(chains), chains), *single]:
                rows.setdefault(tuple(right[v] for v in run), []).append((operand, run))
        sinks: list[Accumulator] = []
        parts: dict[int, AccumulatorSlice] = {}
        for rights, lefts in rows.items():
            self.stack(rights, lefts, sinks, parts)
        return sinks, parts

    def stack(
        self,
        rights: tuple[Operand, ...],
        lefts: list[tuple[Operand | None, list[int]]],
        sinks: list[Accumulator],
        parts: dict[int, AccumulatorSlice],
    ) -> None:
        """The sums of one right side: those of neighbouring left sides in one."""
        right = merged([r for r in rights if isinstance(r, BufferSlice)]) if len(rights) > 1 else rights[0]
        chains = {i: (left,) for i, (left, _) in enumerate(lefts) if isinstance(left, BufferSlice)}
        joined = runs(list(chains), chains)
        others = [[i] for i in range(len(lefts)) if i not in chains]
        row, sections = 0, []
        for block in sorted([*joined, *others], key=lambda b: (lefts[b[0]][0] is None, min(b))):
            first = row
            for i in block:
                column = 0
                height = 1 if lefts[i][0] is None else self.trace[lefts[i][1][0]].shape[0]
                for value in lefts[i][1]:
                    width = self.trace[value].shape[-1]
                    parts[value] = AccumulatorSlice(len(sinks), (row, row + height), (column, column + width))
                    column += width
                row += height
            left = lefts[block[0]][0] if len(block) == 1 else merged([chains[i][0] for i in block])
            sections.append(AccumulatorTerm(left, (first, row)))
        sinks.append(Accumulator(right, tuple(sections), column))

    def totals(self, parts: dict[int, AccumulatorSlice]) -> tuple[tuple[Expression, ...], dict[int, int]]:
        """What is made of the sums after the last step: parts of sinks first of all, then operations on them."""
        listed: list[Expression] = []
        numbers: dict[int, int] = {}

        def number(value: int) -> int:
            if value in numbers:
                return numbers[value]
            operation = self.trace[value]
            part = self.part(value, parts)
            if part is not None:
                made = Expression("part of a sink", (), part, operation.shape)
            elif operation.kind == CONSTANT:
                made = Expression("constant", (), operation.attr, ())
            elif operation.kind == FIXED:
                made = Expression("fixed", (self.fixed_value(value),), None, ())
            else:
                made = Expression(
                    operation.name, tuple(number(a) for a in operation.args), operation.attr, operation.shape
                )
            listed.append(made)
            numbers[value] = len(listed) - 1
            return numbers[value]

        for value in self.trace.roles.gradients.values():
            number(value)
        return tuple(listed), numbers

    def part(self, value: int, parts: dict[int, AccumulatorSlice]) -> AccumulatorSlice | None:
        """A total that is a rectangle of a sink: a sum itself, or neighbours below each other."""
        if value in parts:
            return parts[value]
        operation = self.trace[value]
        if operation.name == "reshape" and operation.args[0] in parts:
            found = parts[operation.args[0]]
            flat = operation.shape in ((found.columns[1] - found.columns[0],), (1, found.columns[1] - found.columns[0]))
            if flat and found.rows[1] - found.rows[0] == 1:
                return found
        if operation.name == "reshape" and operation.kind == TOTAL:
            inner = self.part(operation.args[0], parts)
            width = operation.shape[-1] if operation.shape else 0
            if inner is not None and inner.rows[1] - inner.rows[0] == 1 and operation.shape == (1, width):
                return inner if inner.columns[1] - inner.columns[0] == width else None
        if operation.name != "concatenate" or operation.attr != 0:
            return None
        found_parts = [self.part(a, parts) for a in operation.args]
        first = found_parts[0]
        for before, after in pairwise(found_parts):
            if (
                before is None
                or after is None
                or (before.accumulator, before.columns) != (after.accumulator, after.columns)
            ):
                return None
            if before.rows[1] != after.rows[0]:
                return None
        last = found_parts[-1]
        return (
            AccumulatorSlice(first.accumulator, (first.rows[0], last.rows[1]), first.columns)
            if first and last
            else None
        )


def merged(places: Sequence[BufferSlice]) -> BufferSlice:
    """Neighbouring places as one.

    Raises
    ------
    InvalidProgram
        If they are not neighbours, in this order.
    """
    for before, after in pairwise(places):
        if (before.buffer, before.stop, before.shift) != (after.buffer, after.start, after.shift):
            raise InvalidProgram(f"{before} and {after} are not neighbours")
    return BufferSlice(places[0].buffer, places[0].start, places[-1].stop, places[0].shift)
