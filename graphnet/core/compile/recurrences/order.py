"""Chooses the pieces of a cell that are needed, for how many rows each is computed, and their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from graphnet.core.compile.plan import Call, Loop, Plan, Shapes
from graphnet.core.compile.recurrences.analysis import REFUSED
from graphnet.core.compile.recurrences.components import Cell
from graphnet.core.compile.recurrences.expressions import Sizes
from graphnet.core.compile.recurrences.rules import CellRules
from graphnet.core.compile.recurrences.split import ONCE, ROWS, STEPS, Piece, Recurrence, Repeat, Rest, SplitCell
from graphnet.core.compile.recurrences.symbols import Unreadable
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.compile.trace.tracer import trace
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase


class NotSplit(Exception):
    """A cell runs in one loop; the message says why."""


class Building(Protocol):
    """What is ordered here; :mod:`build` fills it."""

    cell: Cell
    rules: CellRules
    shapes: list[Shape | None]
    layers: dict[str, Layer]
    producer: dict[int, Piece]
    recurrences: list[Recurrence]
    rests: list[Rest]

    def slot(self, sizes: Sizes) -> int:
        """A further slot."""

    def sizes(self, slot: int) -> Sizes:
        """The shape of a slot."""


def ordered(building: Building) -> SplitCell:
    """The pieces in order.

    Raises
    ------
    NotSplit
    """
    return _Ordering(building).run()


class _Ordering:
    """Orders one cell."""

    def __init__(self, building: Building) -> None:
        self.b, self.cell, self.rules = building, building.cell, building.rules
        first = len(self.cell.loop.sequences)
        states = len(self.cell.entering)
        self.stages: dict[int, int] = dict.fromkeys(range(first), STEPS)
        inputs = len(self.cell.plan.inputs)
        self.stages |= dict.fromkeys(range(first + states, inputs), ROWS)
        self.given = {*range(first), *range(first + states, inputs)}
        self.repeated: dict[tuple[int, int], int] = {}
        self.known: dict[str, tuple[int, ...]] = {}

    def run(self) -> SplitCell:
        pieces = self.sorted(self.needed())
        self.find_stages([p for p in pieces if isinstance(p, Call)])
        self.raise_vectors(pieces)
        adapted: list[Piece] = []
        for piece in pieces:
            adapted += self.adapted(piece)
        made = self.grouped(adapted)
        stages = [self.stages.get(slot, STEPS) for slot in range(len(self.b.shapes))]
        return SplitCell(made, self.b.shapes, stages, self.b.layers)

    # ------------------------------------------------------------------ what is needed
    def needed(self) -> list[Piece]:
        """The pieces that outputs and final states need."""
        first: list[Piece] = [*self.b.recurrences, *self.b.rests]
        pieces = {id(p): p for p in first}
        waiting = [*self.cell.emitted, *(slot for p in first for slot in inputs_of(p))]
        self.read: set[int] = set()
        while waiting:
            slot = waiting.pop()
            if slot in self.read:
                continue
            self.read.add(slot)
            piece = self.b.producer.get(slot)
            if piece is None:
                if slot not in self.given:
                    raise NotSplit(f"{self.cell.plan.slot_paths[slot]} is read in another way than by a product")
            elif id(piece) not in pieces:
                pieces[id(piece)] = piece
                waiting += self.inputs(piece)
        return list(pieces.values())

    def sorted(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces in an order in which each comes after what it reads."""
        done, waiting, ordered = set(self.given), list(pieces), []
        while waiting:
            ready = [p for p in waiting if all(i in done for i in self.inputs(p))]
            if not ready:
                raise NotSplit("its recurrences depend on each other")
            for piece in ready:
                done |= set(piece.outputs)
            ordered += ready
            waiting = [p for p in waiting if p not in ready]
        return ordered

    # ------------------------------------------------------------------ stages
    def find_stages(self, calls: Sequence[Call]) -> None:
        """For how many rows each node is computed.

        Raises
        ------
        NotSplit
            If a node may mix rows.
        """
        for call in calls:
            reads = self.inputs(call)
            stage = max((self.stages.get(i, STEPS) for i in reads), default=ONCE)
            self.stages |= dict.fromkeys(call.outputs, stage)

    def inputs(self, piece: Piece) -> tuple[int, ...]:
        """The slots whose numbers a piece reads."""
        if not isinstance(piece, Call):
            return inputs_of(piece)
        if piece.path not in self.known:
            self.known[piece.path] = tuple(self.reads(piece))
        return self.known[piece.path]

    def reads(self, call: Call) -> Iterable[int]:
        """The inputs whose numbers a node reads, where its rows are known to be independent.

        Raises
        ------
        NotSplit
        """
        inputs = [i for i in call.inputs if i is not None and self.b.shapes[i] is not None]
        if call.layer in self.b.layers:
            return inputs
        layer = self.rules.layers[call.layer]
        training = self.rules.phase is Phase.train
        if training and layer.draws:
            raise NotSplit(f"{call.path} draws random numbers")
        if training and layer.buffers(*(self.b.shapes[i] for i in inputs)):
            raise NotSplit(f"{call.path} updates running statistics")
        try:
            found = self.rules.run(call, {})
        except Unreadable as reason:
            if not (layer.elementwise or layer.rowwise or self.traceable(call)):
                raise NotSplit(f"{reason}, and rows of several steps might mix") from None
            return inputs
        except REFUSED as reason:
            raise NotSplit(str(reason)) from None
        return self.rules.kept[call.path].union(*(form.reads for form in found))  # type: ignore[union-attr]

    def traceable(self, call: Call) -> bool:
        """Whether the rules can be traced for programs, which shows that rows are independent."""
        inputs = [i for i in call.inputs if i is not None]
        slots = {slot: n for n, slot in enumerate((*dict.fromkeys(inputs), *call.outputs))}
        read = tuple(None if i is None else slots[i] for i in call.inputs)
        inner = Call(call.path, call.layer, read, tuple(slots[o] for o in call.outputs))
        names = tuple(map(str, dict.fromkeys(inputs)))
        outputs = tuple((str(o), slots[o]) for o in call.outputs)
        plan = Plan(names, (None,) * len(names), outputs, (inner,), tuple(map(str, slots)))
        shapes = Shapes(tuple(self.b.shapes[s] for s in slots), (None,) * len(slots), {}, frozenset())
        roles = tuple(("sequence", i) for i in range(len(names)))
        wanted = (True,) * len(names)
        rules = self.rules
        spec = TraceSpec(plan, shapes, rules.layers, rules.phase, rules.dtype.name, roles, wanted, len(outputs), True)
        try:
            trace(spec)
        except Untraceable:
            return False
        return True

    def raise_vectors(self, pieces: Sequence[Piece]) -> None:
        """Compute vectors that depend on weights alone beside what reads them: a program computes them once a pass."""
        read = {i for p in pieces if isinstance(p, Call) and self.stage(p) == STEPS for i in self.inputs(p)}
        for piece in reversed(pieces):
            if not isinstance(piece, Call) or self.stage(piece) == STEPS or not read.intersection(piece.outputs):
                continue
            shapes = [self.b.shapes[slot] for slot in (*inputs_of(piece), *piece.outputs)]
            if all(s is not None and s.rank == 2 for s in shapes):
                self.stages |= dict.fromkeys(piece.outputs, STEPS)
                read |= set(self.inputs(piece))

    def stage(self, call: Call) -> int:
        """For how many rows a node is computed."""
        return self.stages[call.outputs[0]]

    # ------------------------------------------------------------------ rows
    def adapted(self, piece: Piece) -> list[Piece]:
        """A piece after what brings its inputs to its number of rows."""
        before: list[Piece] = []
        if isinstance(piece, Call):
            stage = self.stage(piece)
            read = self.inputs(piece)
            inputs = tuple(
                None
                if i is None or self.b.shapes[i] is None
                else (self.at(i, stage, before) if i in read else self.blank(i, stage, before))
                for i in piece.inputs
            )
            return [*before, Call(piece.path, piece.layer, inputs, piece.outputs)]
        if isinstance(piece, Rest):
            made = self.looped(piece, before)
            return [*before, made]
        return [piece]

    def at(self, slot: int, stage: int, before: list[Piece]) -> int:
        """The slot of a value for a number of rows."""
        if self.stages.get(slot, STEPS) == stage:
            return slot
        if (slot, stage) not in self.repeated:
            target = self.b.slot(self.b.sizes(slot))
            self.b.shapes[target] = self.b.shapes[slot]
            self.stages[target], self.repeated[slot, stage] = stage, target
            before.append(Repeat(slot, target))
        return self.repeated[slot, stage]

    def blank(self, slot: int, stage: int, before: list[Piece]) -> int:
        """A slot of zeros for a value whose numbers are not read, but its shape is."""
        if (slot, -stage - 1) not in self.repeated:
            target = self.b.slot(self.b.sizes(slot))
            self.b.shapes[target] = self.b.shapes[slot]
            self.stages[target], self.repeated[slot, -stage - 1] = stage, target
            before.append(Repeat(None, target))
        return self.repeated[slot, -stage - 1]

    def looped(self, rest: Rest, before: list[Piece]) -> Rest:
        """The Scan of states that are not linear."""
        sequences = tuple(i for i in rest.inputs if self.stages.get(i, STEPS) == STEPS)
        if not sequences:
            raise NotSplit("a state that is not linear depends on no sequence")
        contexts = tuple(i for i in rest.inputs if i not in sequences)
        read = self.read.intersection(rest.outputs)
        outputs = tuple(slot for slot in rest.outputs if slot in read)
        inside = (*sequences, *rest.entering, *contexts)
        numbers: dict[int, int] = {}
        for slot in (*inside, *(o for call in rest.calls for o in call.outputs)):
            numbers.setdefault(slot, len(numbers))
        calls = tuple(
            Call(
                call.path,
                call.layer,
                tuple(None if i is None or self.b.shapes[i] is None else numbers[i] for i in call.inputs),
                tuple(numbers[o] for o in call.outputs),
            )
            for call in rest.calls
        )
        loop = self.cell.loop
        names = tuple(
            loop.states[rest.states[rest.entering.index(s)]] if s in rest.entering else f"value {s}" for s in inside
        )
        states = zip(rest.states, rest.leaving, strict=True)
        emitted = [(f"output {slot}", numbers[slot]) for slot in outputs]
        plan = Plan(
            names,
            (None,) * len(names),
            (*emitted, *((loop.states[s], numbers[slot]) for s, slot in states)),
            calls,
            tuple(self.cell.plan.slot_paths[slot] for slot in numbers),
        )
        initial = tuple(self.b.slot(self.b.sizes(s)) for s in rest.entering)
        finals = tuple(self.b.slot(self.b.sizes(s)) for s in rest.entering)
        self.stages |= dict.fromkeys((*initial, *finals), ROWS)
        for slot, s in zip((*initial, *finals), (*rest.entering, *rest.entering), strict=True):
            self.b.shapes[slot] = self.b.shapes[s]
        given = tuple(self.at(i, ROWS, before) for i in contexts)
        path = f"{loop.path}/{'_'.join(loop.states[s] for s in rest.states)}"
        made = Loop(path, plan, sequences, initial, given, outputs, finals, loop.reverse, None)
        return Rest(rest.states, rest.calls, rest.entering, rest.leaving, rest.inputs, outputs, made)

    def grouped(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces in an order in which nodes for as many rows and axes are neighbours, as far as possible."""
        done, waiting, grouped = set(self.given), list(pieces), []

        def kind(piece: Piece) -> int:
            if isinstance(piece, Repeat):
                return 0
            if not isinstance(piece, Call):
                return 5
            shapes = [self.b.shapes[slot] for slot in (*piece.inputs, *piece.outputs) if slot is not None]
            flat = all(s is not None and s.rank == 2 for s in shapes)
            return 1 + self.stage(piece) if flat or self.stage(piece) != STEPS else 4

        while waiting:
            ready = [p for p in waiting if all(i in done for i in self.required(p))]
            best = min(ready, key=kind)
            grouped.append(best)
            done |= set(best.outputs)
            waiting.remove(best)
        return grouped

    @staticmethod
    def required(piece: Piece) -> tuple[int, ...]:
        """The slots that must be known before a piece."""
        if isinstance(piece, Rest) and piece.loop is not None:
            return (*piece.loop.sequences, *piece.loop.contexts)
        return inputs_of(piece)


def inputs_of(piece: Piece) -> tuple[int, ...]:
    """The slots that a piece reads."""
    return tuple(i for i in piece.inputs if i is not None)
