"""What a rank adds to the sums of one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.training.distributed.buckets import finite
from graphnet.training.distributed.communicator import Communicator, Pending

#: Stands for a rank all of whose contributions were finite.
NEVER = 2**31


class Contributions:
    """The sums of one batch, in their order.

    Parameters
    ----------
    communicator : Communicator
    counts : bool
        Whether this rank has rows; otherwise it contributes zeros.

    Attributes
    ----------
    failed : int
        The number of its first contribution that was not finite.
    """

    def __init__(self, communicator: Communicator, counts: bool) -> None:
        self.communicator, self.counts = communicator, counts
        self.failed = NEVER
        self._number = 0

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which receives the sums."""
        return self.communicator.rank == 0

    def sum(self, buffer: Array) -> Array:
        """The sum of an array over all ranks, for all of them."""
        self._check(buffer)
        return self.communicator.sum(buffer)

    def begin(self, buffer: Array, *, check: bool = False) -> Pending:
        """Begin to add up an array for rank 0; with ``check``, note whether it is finite."""
        if check:
            self._check(buffer)
        return self.communicator.begin_sum(buffer if self.counts else np.zeros_like(buffer), everywhere=False)

    def finish(self, values: Sequence[float]) -> tuple[list[float], dict[int, int]]:
        """Add up the losses of all ranks.

        Returns
        -------
        list of float
            The losses.
        dict of int to int
            For each rank that failed, the number of its first contribution that was not finite.
        """
        size, rank, width = self.communicator.size, self.communicator.rank, len(values) + 1
        self._check(np.asarray(values, np.float64))
        table = np.zeros((size, width))
        table[rank] = [*values, self.failed]
        pending = self.communicator.begin_sum(table.reshape(-1), everywhere=False)
        total = pending.result()
        if not self.leads:
            return list(values), {}
        table = total.reshape(size, width)
        failures = {r: int(first) for r, first in enumerate(table[:, -1]) if first < NEVER}
        return [float(loss) for loss in table[:, :-1].sum(axis=0)], failures

    def _check(self, buffer: Array) -> None:
        self._number += 1
        if self.failed == NEVER and self.counts and not finite(buffer):
            self.failed = self._number
