"""Carried errors of rows that have ended: they are deferred until the row's last step.

The error of a row is zero while it has ended, so a loop needs no mask: a program maps zeros to zeros. Only at a step
where a row ends, or begins, its carried errors are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from graphnet.core.describe.parameter import Array


def segments(ended: Array) -> Iterator[tuple[int, int, Array]]:
    """The segments of steps over which the same rows have ended, from the last to the first: start, stop, rows."""
    changes = np.flatnonzero((ended[1:] != ended[:-1]).any(axis=1)) + 1
    bounds = [0, *changes.tolist(), len(ended)]
    for start, stop in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
        yield start, stop, ended[start]


class DeferredErrors:
    """The carried errors of rows that have ended.

    Parameters
    ----------
    errors : list of array (units, batch)
        One for each state, for its shape and dtype.
    """

    def __init__(self, errors: Sequence[Array]) -> None:
        self.deferred = [np.zeros_like(error) for error in errors]
        self.rows = np.zeros(errors[0].shape[1] if errors else 0, bool)

    def exchange(self, rows: Array, errors: Sequence[Array]) -> None:
        """From here on ``rows`` have ended: defer their errors, and restore those of rows that begin."""
        ending, beginning = rows & ~self.rows, self.rows & ~rows
        for deferred, error in zip(self.deferred, errors, strict=True):
            if beginning.any():
                error[:, beginning] = deferred[:, beginning]
            if ending.any():
                deferred[:, ending] = error[:, ending]
                error[:, ending] = 0
        self.rows = rows

    def restore(self, errors: Sequence[Array]) -> None:
        """After the first step: restore the errors of rows that had ended there."""
        for deferred, error in zip(self.deferred, errors, strict=True):
            error[:, self.rows] = deferred[:, self.rows]
