"""Where the rows of a batch come from: one array, or sequences of different length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from graphnet.core import dtypes
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ShapeError

#: Which examples: positions, or a slice, which is not copied.
Rows = Array | slice


class Source(Protocol):
    """The examples of one input or target."""

    def __len__(self) -> int:
        """How many examples there are."""

    def take(self, rows: Rows) -> Array:
        """Some of them as one array, padded with zeros where they differ in length."""

    def lengths(self, rows: Rows) -> Array | None:
        """The valid steps of each of them; None where all are whole."""


class ArraySource:
    """Examples along one axis of an array, perhaps with the valid steps of each.

    Parameters
    ----------
    array : array
        Never written, and copied no more than a batch at a time.
    axis : int
        Of the examples.
    dtype : dtype-like, optional
        What batches are converted to; None: what it has.
    counts : integer array, optional
    """

    def __init__(self, array: Array, axis: int, dtype: Any = None, counts: Array | None = None) -> None:
        self.array = array
        self.axis = axis
        self.dtype = array.dtype if dtype is None else np.dtype(dtype)
        self.counts = counts

    def __len__(self) -> int:
        return int(self.array.shape[self.axis])

    def take(self, rows: Rows) -> Array:
        """The array of these examples, all other axes whole."""
        taken: Array = self.array[(slice(None),) * self.axis + (rows,)]
        return taken.astype(self.dtype, copy=False)

    def lengths(self, rows: Rows) -> Array | None:
        """The valid steps that came with the array."""
        return None if self.counts is None else self.counts[rows]


class SequenceSource:
    """Examples that are a list of ``(time, …)`` arrays; a batch is ``(time, batch, …)``, padded with zeros.

    The time axis is as long as the longest of the batch, but at least ``least``.
    """

    def __init__(self, arrays: Sequence[Array], dtype: Any, least: int = 1) -> None:
        self.arrays = list(arrays)
        self.least = least
        self.dtype = np.dtype(dtype)
        self.counts = np.array([len(array) for array in self.arrays], np.int64)
        self.rest = next((a.shape[1:] for a in self.arrays if a.size), self.arrays[0].shape[1:] if self.arrays else ())

    def __len__(self) -> int:
        return len(self.arrays)

    def take(self, rows: Rows) -> Array:
        """The padded array of these sequences."""
        chosen = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        counts = self.counts[rows]
        padded = np.zeros((int(counts.max(initial=self.least)), len(counts), *self.rest), self.dtype)
        for column, example in enumerate(chosen):
            if counts[column]:
                padded[: counts[column], column] = self.arrays[example]
        return padded

    def lengths(self, rows: Rows) -> Array:
        """The number of steps of each."""
        return self.counts[rows]


def sequences(value: Sequence[Any], place: str, *, integer: bool = False) -> list[Array]:
    """Each sequence as an array (time, …); an empty list is one without steps.

    Raises
    ------
    ShapeError, DtypeError
        If they differ in more than the number of steps, or hold no numbers.
    """
    arrays = []
    for i, each in enumerate(value):
        given = np.zeros(0, np.int64) if isinstance(each, (list, tuple)) and not each else each
        arrays.append(dtypes.as_array(given, f"{place}, sequence {i}", integer=integer))
    rests = {array.shape[1:] for array in arrays if array.size}
    if len(rests) > 1 or any(array.ndim == 0 for array in arrays):
        received = " and ".join(str(array.shape) for array in arrays[:3])
        raise ShapeError("sequences differ in more than length", where=place, expected="(time, …)", received=received)
    return arrays
