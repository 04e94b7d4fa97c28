"""What a rank adds to the sums of one batch, and who has contributed numbers that are not finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.training.distributed.buckets import finite
from graphnet.training.distributed.communicator import Communicator, Pending

#: Stands for a rank all of whose contributions were finite.
NEVER = 2**31


@dataclass
class Report:
    """What all ranks have found, on rank 0.

    Attributes
    ----------
    values : list of float
        The sums of their losses.
    metrics : list of (float, float)
        The sums of what their metrics have found.
    failures : dict of int to int
        For each rank with numbers that are not finite, which of its contributions was the first.
    finite : list of bool
        For each rank, whether its outputs and states are finite.
    """

    values: list[float]
    metrics: list[tuple[float, float]] = field(default_factory=list)
    failures: dict[int, int] = field(default_factory=dict)
    finite: list[bool] = field(default_factory=list)


class Contributions:
    """The sums of one batch, in their order.

    Parameters
    ----------
    communicator : Communicator
    counts : bool
        Whether this rank has rows; otherwise it contributes zeros.

    Attributes
    ----------
    finite : bool
        Whether its outputs and states are finite.
    """

    def __init__(self, communicator: Communicator, counts: bool) -> None:
        self.communicator, self.counts = communicator, counts
        self.finite = True
        self._failed, self._bad = NEVER, communicator.rank
        self._number = 0

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which receives the sums."""
        return self.communicator.rank == 0

    def gather(self, vector: Array) -> Array:
        """The vectors of all ranks, ``(size, n)``, in float64."""
        self._check(vector)
        table = np.zeros((self.communicator.size, len(vector)))
        if self.counts:
            table[self.communicator.rank] = vector
        table = self.communicator.sum(table.reshape(-1)).reshape(table.shape)
        bad = [rank for rank, row in enumerate(table) if not finite(row)]
        if bad and self._failed == NEVER:
            self._failed, self._bad = self._number, bad[0]
        return table

    def begin(self, buffer: Array, *, check: bool = False) -> Pending:
        """Begin to add up an array for rank 0; with ``check``, note whether it is finite."""
        if check:
            self._check(buffer)
        return self.communicator.begin_sum(buffer if self.counts else np.zeros_like(buffer), everywhere=False)

    def begin_rows(self, buffer: Array) -> Pending:
        """Begin to add up an array of all rows, which is zero in those of other ranks."""
        self.finite = self.finite and finite(buffer)
        return self.begin(buffer)

    def finish(self, values: Sequence[float], metrics: Sequence[tuple[float, float]] = ()) -> Report:
        """Add up the losses and the metrics of all ranks."""
        size, rank, found = self.communicator.size, self.communicator.rank, [part for pair in metrics for part in pair]
        self._check(np.asarray(values, np.float64))
        table = np.zeros((size, len(values) + len(found) + 3))
        table[rank] = [*values, *found, self._failed, self._bad, self.finite]
        total = self.communicator.sum(table.reshape(-1), everywhere=False)
        if not self.leads:
            return Report(list(values))
        table = total.reshape(table.shape)
        losses, added = table[:, : len(values)], table[:, len(values) : -3].sum(axis=0).reshape(-1, 2)
        report = Report(
            [float(loss) for loss in losses.sum(axis=0)],
            [(float(total), float(count)) for total, count in added],
            finite=[bool(flag) for flag in table[:, -1]],
        )
        for sender, (first, bad) in enumerate(table[:, -3:-1]):
            if first < NEVER:
                report.failures[int(bad)] = min(int(first), report.failures.get(int(bad), NEVER))
            elif not finite(losses[sender]) or not first <= NEVER:
                report.failures.setdefault(sender, NEVER - 1)
        return report

    def _check(self, buffer: Array) -> None:
        self._number += 1
        if self._failed == NEVER and self.counts and not finite(buffer):
            self._failed = self._number
