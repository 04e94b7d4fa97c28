"""Decides whether a Scan runs as linear recurrences over all steps, or in one loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from graphnet.core.compile import Shapes
from graphnet.core.compile.pipeline import EVERY
from graphnet.core.compile.plan import Loop
from graphnet.core.compile.recurrences import SplitCell, Verdict, split_cell
from graphnet.core.compile.recurrences.split import Recurrence
from graphnet.core.run.context import BindOptions

#: The operands of a matrix state that are its decay, or make it.
DECAYS = ("decay", "logs", "scale")


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
    batch = 1 if first is None or step.path in shapes.single else first.sizes[1] or 0
    if "recurrences" not in passes or steps < 2:
        return Split()
    if step.bptt_length is not None and step.bptt_length < steps:
        return Split(reason=f"gradients are truncated after {step.bptt_length} steps")
    cell, verdicts, reason = split_cell(step, shapes.cells[step.path], options.layers, options.phase, options.dtype)
    return Split(
        cell, verdicts, reason, cell is not None and faster(cell, steps, batch, options.executable is not None)
    )


def faster(cell: SplitCell, steps: int, batch: int, native: bool) -> bool:
    """Whether a cell whose loop can be compiled is faster taken apart, as measured on one machine.

    Vectors are not: their loops are elementwise, and cheap. A matrix state is, where chunks of steps become products of
    matrices that are large enough to pay for what surrounds them: in native code from keys and values of 64, and on
    numpy from a few thousand numbers in all. With a decay for each of its numbers there are no such products: numpy
    only saves calls, as long as a step is small.
    """
    return any(
        _worth(p, cell, steps, batch, native) for p in cell.pieces if isinstance(p, Recurrence) and p.axes is not None
    )


def _worth(recurrence: Recurrence, cell: SplitCell, steps: int, batch: int, native: bool) -> bool:
    """The same for one matrix state."""
    state = cell.shapes[recurrence.entering[0]]
    axes = recurrence.axes
    assert state is not None and axes is not None
    key, value = (state.sizes[axis] or 0 for axis in (axes.key, axes.value))
    step = batch * math.prod(n or 0 for n in state.sizes[1:])
    rates = [cell.shapes[o] for n, o in recurrence.operands.items() if n in DECAYS and isinstance(o, int)]
    varies = [any(rate is not None and rate.sizes[axis] != 1 for rate in rates) for axis in (-2, -1)]
    if all(varies):
        return not native and step <= 8192 and steps * step >= 500_000
    if varies[1] and "decay" in recurrence.operands:
        return False  # the errors of small decays of values need the states of all steps
    if native:
        return key * value >= 4096 and steps * step >= 4_000_000
    return steps * step >= 50_000
