"""Decides whether a Scan runs as linear recurrences over all steps, or in one loop."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphnet.core.compile import Shapes
from graphnet.core.compile.pipeline import EVERY
from graphnet.core.compile.plan import Loop
from graphnet.core.compile.recurrences import SplitCell, Verdict, split_cell
from graphnet.core.compile.recurrences.split import Recurrence
from graphnet.core.run.context import BindOptions


@dataclass(frozen=True)
class Split:
    """What was found in a cell.

    Attributes
    ----------
    cell : SplitCell or None
        None where the cell runs in one loop.
    verdicts : list of Verdict
    reason : str
        Why it runs in one loop although something in it is linear.
    first : bool
        Whether it is taken apart even if its loop can be compiled.
    """

    cell: SplitCell | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    reason: str = ""
    first: bool = False


def split_of(step: Loop, shapes: Shapes, options: BindOptions) -> Split:
    """The linear recurrences of a Scan, and the cell taken apart if that is allowed and faster."""
    passes = EVERY if options.passes is None else options.passes
    first = shapes.slots[step.sequences[0]]
    steps = 0 if first is None else first.sizes[0] or 0
    if "recurrences" not in passes or steps < 2:
        return Split()
    if step.bptt_length is not None and step.bptt_length < steps:
        return Split(reason=f"gradients are truncated after {step.bptt_length} steps")
    cell, verdicts, reason = split_cell(step, shapes.cells[step.path], options.layers, options.phase, options.dtype)
    return Split(cell, verdicts, reason, cell is not None and faster(cell, steps))


def faster(cell: SplitCell, steps: int) -> bool:
    """Whether a cell that can be compiled is faster taken apart."""
    matrices = [p for p in cell.pieces if isinstance(p, Recurrence) and p.axes is not None]
    return any(_products(p, cell) for p in matrices)


def _products(recurrence: Recurrence, cell: SplitCell) -> bool:
    """Whether a matrix state is computed in chunks by products of matrices: its decay is the same for all values."""
    decay = recurrence.operands.get("decay")
    if not isinstance(decay, int):
        return True
    shape = cell.shapes[decay]
    return shape is not None and shape.sizes[-1] == 1
