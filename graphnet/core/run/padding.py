"""The ends of the rows of a batch, and the padding beyond them.

Nothing that a layer or a loop computes beyond a row's end may reach a result. It must not be infinite or NaN either,
because the sums of weight gradients multiply it by a zero error. So an array is padded there with zeros, or with copies
of the row's own last step.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cached_property

import numpy as np

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.row_masks import taken


class Padding(Enum):
    """What an array ``(time, batch, …)`` holds beyond the ends of its rows, or what a step of a plan requires."""

    ANY = "anything"
    FINITE = "zeros, or other finite numbers"
    ZEROS = "zeros"
    REPEATED = "copies of the row's last step"

    def serves(self, required: Padding) -> bool:
        """Whether an array with this padding can be used where ``required`` is required."""
        return required in (self, Padding.ANY) or (required is Padding.FINITE and self is not Padding.ANY)


class RowEnds:
    """The ends of the rows of one input, and of everything that is computed from it step by step.

    Parameters
    ----------
    lengths : int array (batch,)
        Valid steps of each row.
    steps : int
        The length of the time axis.
    longest : int, optional
        The steps of the longest row of a batch of which these rows are a part; None: that of these rows.
    """

    def __init__(self, lengths: Array, steps: int, longest: int | None = None) -> None:
        self.lengths, self.steps = lengths, steps
        self.longest = int(lengths.max(initial=0)) if longest is None else longest
        #: Whether no row has a step.
        self.none = not np.count_nonzero(lengths)

    @cached_property
    def beyond(self) -> Array:
        """The (step, row) pairs beyond the rows' ends, (time, batch)."""
        beyond: Array = np.arange(self.steps)[:, None] >= self.lengths
        return beyond

    @cached_property
    def lender(self) -> Array | None:
        """For each row, the row whose numbers it runs on: its own, or the first row with a step for an empty row.

        None where no row is empty.
        """
        empty = self.lengths == 0
        if not empty.any():
            return None
        lender: Array = np.where(empty, np.argmin(empty), np.arange(len(empty)))
        return lender

    @cached_property
    def repeating(self) -> Array:
        """For each (step, row) the number of the one that it repeats: itself, or the last step of the row.

        An empty row repeats the first step of the row that lends to it.
        """
        return self.numbered(np.minimum(np.arange(self.steps)[:, None], self._last))

    @cached_property
    def reversing(self) -> Array:
        """The same with each row in reverse order: from its last step to its first, which is repeated then.

        An empty row repeats the last step of the row that lends to it, with which that row begins.
        """
        steps = np.maximum(self._last - np.arange(self.steps)[:, None], 0)
        if self.lender is not None:
            steps = np.where(self.lengths > 0, steps, self._last[self.lender])
        return self.numbered(steps)

    def drawing(self, reverse: bool) -> tuple[Array, Array]:
        """For each (step, row), in the order of processing, the step and the row whose random numbers it takes.

        Numbers are drawn for all rows at once, step by step, as long as any row has steps. In reverse the longest row
        begins, and the others begin later.
        """
        rows = np.arange(len(self.lengths)) if self.lender is None else self.lender
        steps = np.minimum(np.arange(self.steps)[:, None], self._last)
        late = self.longest - self.lengths[rows] if reverse else 0
        return steps + late, np.broadcast_to(rows, steps.shape)

    @cached_property
    def _last(self) -> Array:
        last: Array = np.maximum(self.lengths - 1, 0)
        return last

    def numbered(self, steps: Array) -> Array:
        """The numbers of (step, row) pairs in the folded array, for the steps (time, batch) that each row reads."""
        rows = np.arange(len(self.lengths)) if self.lender is None else self.lender
        numbers: Array = (steps * len(rows) + rows).reshape(-1)
        return numbers

    def zeroed(self, array: Array) -> Array:
        """A copy with zeros beyond the rows' ends."""
        zeroed = array.copy()
        zeroed[self.beyond] = 0
        return zeroed

    def repeated(self, array: Array) -> Array:
        """A copy in which the last step of each row is repeated beyond its end."""
        return taken(array, self.repeating)

    def lent(self, array: Array, shape: Shape | None = None, rank: int | None = None) -> Array:
        """An array with one entry for each row, where empty rows get those of the row whose numbers they run on.

        Parameters
        ----------
        array : array
        shape : Shape, optional
            Its axes: without one for the rows of this batch it stays what it is. None: axis 0 numbers the rows.
        rank : int, optional
            Of the sequences that numpy broadcasts it with: it stays what it is where its rows do not meet theirs.
        """
        if self.lender is None:
            return array
        axis = 0
        if shape is not None:
            if not shape.has(BATCH) or shape.size(BATCH) != len(self.lengths):
                return array
            axis = shape.axis(BATCH)
        if rank is not None and array.ndim - axis != rank - 1:
            return array
        return array.take(self.lender, axis)


def row_ends(lengths: Sequence[Array | None], shapes: Shapes) -> list[RowEnds | None]:
    """The ends of the rows of each input of a plan; inputs with equal lengths share one object.

    Empty where every row of every input is whole.
    """
    for counts in lengths:
        if counts is not None:
            break
    else:
        return []
    sizes = [None if shape is None else shape.sizes[0] or 0 for shape in shapes.slots[: len(lengths)]]
    return ends_of(lengths, sizes)


def ends_of(lengths: Sequence[Array | None], steps: Sequence[int | None]) -> list[RowEnds | None]:
    """The same from the number of steps of each input; None for an input that was left out."""
    ends: list[RowEnds | None] = []
    share = collective.current()
    for number, (counts, size) in enumerate(zip(lengths, steps, strict=True)):
        if counts is None or size is None:
            ends.append(None)
            continue
        for known in ends:
            if known is not None and known.steps == size and np.array_equal(known.lengths, counts):
                ends.append(known)
                break
        else:
            ends.append(RowEnds(counts, size, None if share is None else share.longest.get(number)))
    return ends if any(ends) else []
