"""Rows that have ended, on the way back: their carried errors wait, and nothing goes through the cell for them.

A row's error is zero while it has ended, so a loop need not know of it: what a program makes of zeros is zeros. Only
where a row ends, or begins, its carried errors are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from graphnet.core.describe.parameter import Array


def segments(ended: Array) -> Iterator[tuple[int, int, Array]]:
    """From the last step back: first step and end of each stretch over which the same rows have ended; those rows."""
    changes = np.flatnonzero((ended[1:] != ended[:-1]).any(axis=1)) + 1
    ends = [0, *changes.tolist(), len(ended)]
    for start, stop in zip(ends[-2::-1], ends[:0:-1], strict=True):
        yield start, stop, ended[start]


class DeferredErrors:
    """The carried errors of rows that have ended.

    Parameters
    ----------
    errors : list of array (units, batch)
        One for each state: what is carried, for its shape and dtype.
    """

    def __init__(self, errors: Sequence[Array]) -> None:
        self.kept = [np.zeros_like(error) for error in errors]
        self.rows = np.zeros(errors[0].shape[1] if errors else 0, bool)

    def change(self, rows: Array, errors: Sequence[Array]) -> None:
        """From here on ``rows`` have ended: theirs are put by, those of rows that begin are put back."""
        fall, wake = rows & ~self.rows, self.rows & ~rows
        for kept, error in zip(self.kept, errors, strict=True):
            if wake.any():
                error[:, wake] = kept[:, wake]
            if fall.any():
                kept[:, fall] = error[:, fall]
                error[:, fall] = 0
        self.rows = rows

    def end(self, errors: Sequence[Array]) -> None:
        """After the first step: the errors of rows that had ended there are what was put by."""
        for kept, error in zip(self.kept, errors, strict=True):
            error[:, self.rows] = kept[:, self.rows]
