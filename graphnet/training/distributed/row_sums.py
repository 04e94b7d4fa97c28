"""Arrays of all rows of a batch, of which each rank has some."""

from __future__ import annotations

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.training.distributed.buckets import finite
from graphnet.training.distributed.communicator import Pending
from graphnet.training.distributed.contributions import NEVER, Contributions, Report
from graphnet.training.distributed.rows import placed, rows_of_rank


class RowSums:
    """Brings the rows of all ranks to rank 0, as sums of arrays that are zero in the rows of others.

    Parameters
    ----------
    contributions : Contributions
    own : slice
        The rows of this rank.
    total : int
        The rows of the batch.
    """

    def __init__(self, contributions: Contributions, own: slice, total: int) -> None:
        self.contributions, self.own, self.total = contributions, own, total
        self._begun: dict[str, tuple[Pending, tuple[int, ...], int]] = {}

    def begin(self, name: str, array: Array, axis: int) -> None:
        """Begin with an array of the own rows, whose batch axis is ``axis``."""
        shape = (*array.shape[:axis], self.total, *array.shape[axis + 1 :])
        flat = placed(array, self.own, axis, self.total)
        self._begun[name] = self.contributions.begin_rows(flat), shape, axis

    def results(self, report: Report) -> dict[str, Array]:
        """The arrays of all rows, on rank 0.

        A rank whose rows were finite when it sent them, and are not now, has failed.
        """
        arrays: dict[str, Array] = {}
        for name, (pending, shape, axis) in self._begun.items():
            flat = pending.result()
            if not self.contributions.leads:
                continue
            arrays[name] = flat.reshape(shape)
            if not finite(flat):
                self._blame(np.moveaxis(arrays[name], axis, 0), report)
        return arrays

    def _blame(self, rows: Array, report: Report) -> None:
        size = self.contributions.communicator.size
        for rank in range(size):
            if report.finite[rank] and not finite(rows[slice(*rows_of_rank(self.total, rank, size))]):
                report.failures.setdefault(rank, NEVER - 1)
