"""Shape inference of a Scan: the cell is inferred until the shapes of its states no longer change.

``x (time, batch, feature=3)`` with ``h' = dense(concatenate(x, h), 4)`` gives ``h`` the shape ``(batch, feature=4)``.
Costs one inference of the cell, two or three if a state has no declared size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphnet.core.compile.plan import Loop, Shapes
from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.broadcasting import aligned
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.core.records import record

#: What to do about sequences that are declared batch first.
BATCH_MAJOR = (
    "Sequences in a graph are (time, batch, …): declare the input as 'time, batch, feature', or as 'time, feature' for "
    "one sequence. To pass arrays (batch, time, …), set TrainingConfig(batch_major=True) for a Model, or "
    "layer.batch_major = True for a layer used by itself."
)


@record
class ScanShapes:
    """The inferred shapes of a Scan.

    Attributes
    ----------
    cell : Shapes
    outputs : list of Shape
        Of the emitted outputs, then of the states after the last step.
    single : bool
        Whether the sequences have no batch axis.
    """

    cell: Shapes
    outputs: list[Shape]
    single: bool


class ScanInference:
    """Infers one Scan.

    Parameters
    ----------
    step : Loop
    sequences, contexts : list of Shape
    initial : list of Shape or None
        Of the initial states; None for zeros.
    infer_cell : callable
        Returns the Shapes of the cell for the shapes of its inputs.
    """

    def __init__(
        self,
        step: Loop,
        sequences: list[Shape],
        initial: list[Shape | None],
        contexts: list[Shape],
        infer_cell: Callable[[list[Shape | None]], Shapes],
    ) -> None:
        self.step, self.initial, self.contexts, self.infer_cell = step, initial, contexts, infer_cell
        for shape in sequences:
            shape.read_as_sequence(step.path, BATCH_MAJOR)
        self.named = has_declared_names(sequences)
        self.time = next((s.names[0] for s in sequences if s.declared), sequences[0].names[0])
        self.single = all(s.rank == 2 and s.names[1] != BATCH for s in sequences)
        self.sequences = [_with_batch(s) for s in sequences] if self.single else sequences

    def run(self) -> ScanShapes:
        steps, batch = self.common_sizes()
        elements = [s.resized(_batch_axis(s), batch, BATCH).without(0) for s in self.sequences]
        cell = self.infer_until_stable(elements, batch)
        outputs = []
        for number, (name, slot) in enumerate(self.step.cell.outputs):
            shape = self.cell_output(cell, slot, name)
            if number < len(self.step.outputs):
                if self.single and shape.rank and shape.names[0] == BATCH:
                    shape = shape.without(0)
                shape = shape.preceded(self.time, steps)
            outputs.append(replace(shape, declared=self.named))
        return ScanShapes(cell, outputs, self.single)

    def common_sizes(self) -> tuple[int | None, int | None]:
        """The number of steps and of rows that all sequences share."""
        for shape in self.sequences:
            if shape.rank < 2:
                raise ShapeError(
                    "a sequence needs a time axis and one more",
                    where=self.step.path,
                    expected="(time, batch, feature) or (time, feature)",
                    received=str(shape),
                )
        return (
            self.common_size([shape.sizes[0] for shape in self.sequences], "steps"),
            self.common_size([shape.sizes[_batch_axis(shape)] for shape in self.sequences], "rows"),
        )

    def common_size(self, sizes: list[int | None], what: str) -> int | None:
        known = set(sizes) - {None}
        if len(known) > 1:
            raise ShapeError(
                f"the sequences of a Scan differ in their {what}",
                where=self.step.path,
                expected=f"equal numbers of {what}",
                received=" and ".join(map(str, self.sequences)),
            )
        return known.pop() if known else None

    # ------------------------------------------------------------------ the cell
    def infer_until_stable(self, elements: list[Shape], batch: int | None) -> Shapes:
        """Infer the cell until every state leaves it in the shape in which it enters."""
        step, first = self.step, len(elements)
        names = step.cell.inputs[first : first + len(step.initial)]
        entering = [self.entering(i, first + i, batch) for i in range(len(names))]
        self.check_declared(0, elements)
        self.check_declared(first + len(names), self.contexts)
        for _ in range(len(names) + 2):
            cell = self.infer_cell([*elements, *entering, *self.contexts])
            leaving = [self.cell_output(cell, slot, name) for name, slot in step.cell.outputs[len(step.outputs) :]]
            for name, before, after in zip(names, entering, leaving, strict=True):
                if not before.fits(after):
                    raise ShapeError(
                        f"state {name!r} leaves the cell in another shape than it entered",
                        where=step.path,
                        expected=str(before),
                        received=str(after),
                    )
            merged = [_merged(a, b) for a, b in zip(entering, leaving, strict=True)]
            if merged == entering:
                self.check_known(elements, names, merged)
                return cell
            entering = merged
        raise ShapeError(
            "the sizes of the states do not converge", where=step.path, received=", ".join(map(str, entering))
        )

    def check_declared(self, first: int, shapes: Sequence[Shape]) -> None:
        """Raise ShapeError for sequences and contexts that do not fit their declaration in the cell."""
        for slot, shape in enumerate(shapes, first):
            declared = self.step.cell.declared[slot]
            if declared is not None and not (declared.fits(shape) and aligned([declared, shape])):
                raise ShapeError(
                    f"{self.step.cell.inputs[slot]!r} does not fit its declaration in the cell",
                    where=self.step.path,
                    expected=str(declared),
                    received=f"{shape} in each step" if slot < len(self.step.sequences) else str(shape),
                )

    def check_known(self, elements: list[Shape], names: Sequence[str], states: list[Shape]) -> None:
        """Raise ShapeError for states of unknown size if all other sizes are known."""
        for name, shape in zip(names, states, strict=True):
            if not shape.known and all(s.known for s in elements):
                raise ShapeError(
                    f"cannot infer the width of state {name!r}",
                    where=self.step.path,
                    received=str(shape),
                    remedy=f"Declare it in the cell, such as states={{{name!r}: 8}}, or give an initial state.",
                )

    def cell_output(self, cell: Shapes, slot: int, name: str) -> Shape:
        shape = cell.slots[slot]
        if shape is None:
            raise ShapeError("the shape of an output is not known", where=f"{self.step.path}/{name}")
        return shape

    def entering(self, index: int, cell_slot: int, batch: int | None) -> Shape:
        """The shape in which a state enters the cell, by its declaration and its initial value."""
        step, name = self.step, self.step.cell.inputs[cell_slot]
        declared = step.cell.declared[cell_slot]
        shape = declared.resized(0, batch) if declared and declared.rank else Shape.of((batch, None))
        initial = self.initial[index]
        if initial is None:
            return shape
        initial.read_as((BATCH,), f"{step.path}, initial state {name!r}")
        if declared is None:
            shape = replace(initial, sizes=(batch, *initial.sizes[1:]))
        if not shape.fits(initial):
            raise ShapeError(
                f"initial state {name!r} does not fit the sequences",
                where=step.path,
                expected=str(shape),
                received=str(initial),
                remedy="A state has one row for each row of the batch.",
            )
        return _merged(shape, initial)


def has_declared_names(shapes: Sequence[Shape | None]) -> bool:
    """Whether the axis names of a result count as declared: those of the inputs of highest rank decide."""
    rank = max((shape.rank for shape in shapes if shape is not None), default=0)
    return any(shape.declared for shape in shapes if shape is not None and shape.rank == rank)


def _with_batch(shape: Shape) -> Shape:
    """A sequence ``(time, feature)`` with a batch axis of size 1."""
    return replace(
        shape,
        names=(shape.names[0], BATCH, shape.names[1]),
        sizes=(shape.sizes[0], 1, shape.sizes[1]),
    )


def _batch_axis(shape: Shape) -> int:
    """The batch axis of a sequence: the one of that name, else the one after time."""
    return shape.names.index(BATCH, 1) if BATCH in shape.names[1:] else 1


def _merged(a: Shape, b: Shape) -> Shape:
    return replace(a, sizes=tuple(y if x is None else x for x, y in zip(a.sizes, b.sizes, strict=True)))
