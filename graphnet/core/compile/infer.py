"""Give every slot of a plan its axes and sizes, and check that everything fits, before anything runs.

``x (batch, feature=4) -> FullyConnected(4, 3)`` gives the second slot ``(batch, feature=3)``. The sizes of a cell's
states are found by going through the cell until they no longer change. Costs one visit a step, twice or three times in
cells whose states have no declared size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.describe.broadcasting import aligned
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.describe.signatures import Ports
from graphnet.core.errors import GraphnetError, RuleError, ShapeError

#: What to do about sequences that are declared batch first.
BATCH_MAJOR = (
    "Sequences in a graph are (time, batch, …): declare the input as 'time, batch, feature', or as 'time, feature' for "
    "one sequence. To pass arrays (batch, time, …), set TrainingConfig(batch_major=True) for a Model, or "
    "layer.batch_major = True for a layer used by itself."
)


@dataclass(frozen=True, slots=True)
class Shapes:
    """What inference found for one plan.

    ``slots`` has the shape of each slot; ``lengths`` the position of the plan input whose row lengths hold for it, or
    None; ``cells`` the same for the cells of the plan's loops, by path; ``single`` the loops that run one sequence
    without a batch axis.
    """

    slots: tuple[Shape | None, ...]
    lengths: tuple[int | None, ...]
    cells: Mapping[str, Shapes]
    single: frozenset[str]


def infer(plan: Plan, layers: Mapping[str, Layer], inputs: Sequence[Shape | None]) -> Shapes:
    """Shapes of every slot from the shapes of the inputs; free sizes (None) pass through.

    Raises
    ------
    ShapeError
        With the path of the node where shapes do not fit.
    """
    return _Inference(plan, layers).run(list(inputs))


class _Inference:
    """One pass over one plan."""

    def __init__(self, plan: Plan, layers: Mapping[str, Layer]) -> None:
        self.plan = plan
        self.layers = layers
        self.shapes: list[Shape | None] = [None] * plan.slot_count
        self.lengths: list[int | None] = [None] * plan.slot_count
        self.cells: dict[str, Shapes] = {}
        self.single: set[str] = set()

    def run(self, inputs: list[Shape | None]) -> Shapes:
        for i, shape in enumerate(inputs):
            self.shapes[i] = shape
            self.lengths[i] = i if shape is not None and ragged(shape) else None
        for step in self.plan.steps:
            try:
                if isinstance(step, Call):
                    self.call(step)
                else:
                    self.loop(step)
            except GraphnetError as error:
                error.about(step.path)
                raise
        self.entries()
        return Shapes(tuple(self.shapes), tuple(self.lengths), self.cells, frozenset(self.single))

    def entries(self) -> None:
        """Refuse values whose axes contradict what a nested graph declares for its inputs."""
        for path, slot, wanted in self.plan.nested_inputs:
            found = self.shapes[slot]
            if found is not None and found.rank == wanted.rank and not aligned([wanted, found]):
                raise ShapeError(
                    "the axes are not those that the nested graph declares",
                    where=path,
                    expected=str(wanted),
                    received=str(found),
                    remedy="Declare both in one order.",
                    subject=path,
                )

    def shape(self, slot: int | None, place: str) -> Shape:
        found = None if slot is None else self.shapes[slot]
        if found is None:
            raise ShapeError(
                "the shape of an input is not known",
                where=place,
                remedy="Declare the input's axes, such as 'batch, feature=4'.",
            )
        return found

    def given(self, slot: int | None, place: str, position: int, ports: Ports) -> Shape | None:
        """The shape of one argument; None for an optional one that was left out."""
        optional = position < len(ports.names) and ports.names[position] in ports.optional
        if optional and (slot is None or self.shapes[slot] is None):
            return None
        return self.shape(slot, place)

    def call(self, step: Call) -> None:
        layer = self.layers[step.layer]
        ports = layer.input_ports()
        given = [self.given(slot, step.path, i, ports) for i, slot in enumerate(step.inputs)]
        try:
            found = layer.infer(*given)  # None only for optional inputs
        except GraphnetError as error:
            raise error.at(step.path) from None
        except Exception as error:
            error.add_note(f"raised by infer of node {step.path}, {layer!r}")
            raise
        outputs = (found,) if isinstance(found, Shape) else found
        named = _declared(given)
        if not isinstance(outputs, (tuple, list)) or not all(isinstance(shape, Shape) for shape in outputs):
            raise RuleError(
                "infer returned no shape",
                where=step.path,
                expected="a Shape, or a tuple of them, one for each output",
                received=repr(found)[:200],
            )
        if len(outputs) != len(step.outputs):
            raise RuleError(
                "infer returned the wrong number of shapes",
                where=step.path,
                expected=len(step.outputs),
                received=len(outputs),
            )
        origins = [self.lengths[slot] for slot in step.inputs if slot is not None]
        origin = next((o for o in origins if o is not None), None)
        for slot, shape in zip(step.outputs, outputs, strict=True):
            self.shapes[slot] = shape if named else replace(shape, declared=False)
            self.lengths[slot] = origin if ragged(shape) else None

    def loop(self, step: Loop) -> None:
        sequences = [self.shape(slot, step.path) for slot in step.sequences]
        named = _declared(sequences)
        single = all(s.rank == 2 and s.names[1] != BATCH for s in sequences)
        for shape in sequences:
            shape.read_as_sequence(step.path, BATCH_MAJOR)
        if single:
            self.single.add(step.path)
            sequences = [
                replace(s, names=(s.names[0], BATCH, s.names[1]), sizes=(s.sizes[0], 1, s.sizes[1])) for s in sequences
            ]
        steps, batch = self.common(step, sequences)
        within = [s.resized(_batch_axis(s), batch, BATCH).without(0) for s in sequences]
        cell = self.cells[step.path] = self.settle(step, within, batch)
        origin = next((self.lengths[s] for s in step.sequences if self.lengths[s] is not None), None)
        time = next((s.names[0] for s in sequences if s.declared), sequences[0].names[0])
        for slot, (name, inner) in zip((*step.outputs, *step.finals), step.cell.outputs, strict=True):
            shape = self.leaving(step, cell, inner, name)
            if slot in step.outputs:
                shape = shape.without(0) if single and shape.rank and shape.names[0] == BATCH else shape
                shape = shape.preceded(time, steps)
                self.lengths[slot] = origin
            self.shapes[slot] = replace(shape, declared=named)

    def common(self, step: Loop, sequences: Sequence[Shape]) -> tuple[int | None, int | None]:
        """The number of steps and rows that all sequences of a loop share."""
        for shape in sequences:
            if shape.rank < 2:
                raise ShapeError(
                    "a sequence needs a time axis and one more",
                    where=step.path,
                    expected="(time, batch, feature) or (time, feature)",
                    received=str(shape),
                )
        return (
            self.agreed(step, sequences, [shape.sizes[0] for shape in sequences], "steps"),
            self.agreed(step, sequences, [shape.sizes[_batch_axis(shape)] for shape in sequences], "rows"),
        )

    @staticmethod
    def agreed(step: Loop, sequences: Sequence[Shape], sizes: list[int | None], what: str) -> int | None:
        known = set(sizes) - {None}
        if len(known) > 1:
            raise ShapeError(
                f"sequences of one Scan differ in their {what}",
                where=step.path,
                expected=f"equal numbers of {what}",
                received=" and ".join(map(str, sequences)),
            )
        return known.pop() if known else None

    def settle(self, step: Loop, within: list[Shape], batch: int | None) -> Shapes:
        """Infer the cell until what leaves it as a state has the shape in which it entered."""
        first = len(within)
        names = step.cell.inputs[first : first + len(step.initial)]
        entered = [self.entering(step, i, first + i, batch) for i in range(len(names))]
        contexts = [self.shape(slot, step.path) for slot in step.contexts]
        self.declared(step, range(len(within)), within)
        self.declared(step, range(first + len(names), len(step.cell.inputs)), contexts)
        for _ in range(len(names) + 2):
            found = infer(step.cell, self.layers, [*within, *entered, *contexts])
            left = [self.leaving(step, found, slot, name) for name, slot in step.cell.outputs[len(step.outputs) :]]
            for name, before, after in zip(names, entered, left, strict=True):
                if not before.fits(after):
                    raise ShapeError(
                        f"state {name!r} leaves the cell in another shape than it entered",
                        where=step.path,
                        expected=str(before),
                        received=str(after),
                    )
            merged = [_merge(a, b) for a, b in zip(entered, left, strict=True)]
            if merged == entered:
                self.known(step, within, names, merged)
                return found
            entered = merged
        raise ShapeError(
            "the sizes of the states do not settle", where=step.path, received=", ".join(map(str, entered))
        )

    @staticmethod
    def declared(step: Loop, slots: range, given: Sequence[Shape]) -> None:
        """Refuse sequences and contexts that are not what the cell declares."""
        for slot, shape in zip(slots, given, strict=True):
            wanted = step.cell.declared[slot]
            if wanted is not None and not (wanted.fits(shape) and aligned([wanted, shape])):
                raise ShapeError(
                    f"{step.cell.inputs[slot]!r} is not as the cell declares it",
                    where=step.path,
                    expected=str(wanted),
                    received=f"{shape} in each step" if slot < len(step.sequences) else str(shape),
                )

    @staticmethod
    def known(step: Loop, within: list[Shape], names: Sequence[str], states: list[Shape]) -> None:
        """Refuse states without a width where everything else has its sizes."""
        for name, shape in zip(names, states, strict=True):
            if not shape.known and all(s.known for s in within):
                raise ShapeError(
                    f"the width of state {name!r} follows from nothing",
                    where=step.path,
                    received=str(shape),
                    remedy=f"Declare it in the cell, such as states={{{name!r}: 8}}, or give an initial state.",
                )

    @staticmethod
    def leaving(step: Loop, found: Shapes, slot: int, name: str) -> Shape:
        """The shape of one output of the cell."""
        shape = found.slots[slot]
        if shape is None:
            raise ShapeError("the shape of an output is not known", where=f"{step.path}/{name}")
        return shape

    def entering(self, step: Loop, index: int, cell_slot: int, batch: int | None) -> Shape:
        """The shape in which a state enters its cell, from its declaration and its initial value, if it has one."""
        name = step.cell.inputs[cell_slot]
        declared = step.cell.declared[cell_slot]
        shape = declared.resized(0, batch) if declared and declared.rank else Shape.of((batch, None))
        slot = step.initial[index]
        if slot is None or self.shapes[slot] is None:
            return shape
        given = self.shape(slot, step.path)
        given.read_as((BATCH,), f"{step.path}, initial state {name!r}")
        if declared is None:
            shape = replace(given, sizes=(batch, *given.sizes[1:]))
        if not shape.fits(given):
            raise ShapeError(
                f"initial state {name!r} does not fit the sequences",
                where=step.path,
                expected=str(shape),
                received=str(given),
                remedy="A state has one row for each row of the batch.",
            )
        return _merge(shape, given)


def ragged(shape: Shape) -> bool:
    """Whether rows of a value may differ in length: its first two axes are time and batch."""
    return shape.rank >= 2 and shape.names[:2] == (TIME, BATCH)


def _batch_axis(shape: Shape) -> int:
    """The batch axis of a sequence: the one of that name, else the one after time."""
    return shape.names.index(BATCH, 1) if BATCH in shape.names[1:] else 1


def _merge(a: Shape, b: Shape) -> Shape:
    return replace(a, sizes=tuple(y if x is None else x for x, y in zip(a.sizes, b.sizes, strict=True)))


def _declared(shapes: Sequence[Shape | None]) -> bool:
    """Whether the axes of what follows from some values have names that count: those of the values of most axes."""
    rank = max((shape.rank for shape in shapes if shape is not None), default=0)
    return any(shape.declared for shape in shapes if shape is not None and shape.rank == rank)
