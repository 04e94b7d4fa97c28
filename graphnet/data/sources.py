"""Sources of the rows of a batch: an array, or sequences of different length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from graphnet.core import dtypes
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ShapeError

#: A selection of examples: positions, or a slice, which is not copied.
Rows = Array | slice


class Source(Protocol):
    """The examples of one input or target."""

    def __len__(self) -> int:
        """The number of examples."""

    def take(self, rows: Rows, among: Rows | None = None) -> Array:
        """Some examples as one array, padded with zeros if they differ in length.

        With ``among``, they have as many steps as the array of those examples would have.
        """

    def lengths(self, rows: Rows) -> Array | None:
        """The valid steps of each of these examples; None if all steps are valid."""


class ArraySource:
    """Examples along one axis of an array, with the valid steps of each if they are known.

    Parameters
    ----------
    array : array
        Never written; at most a batch of it is copied at a time.
    axis : int
        The axis that numbers the examples.
    dtype : dtype-like, optional
        The dtype of the batches; None: that of the array.
    counts : integer array, optional
        The valid steps of each example.
    """

    def __init__(self, array: Array, axis: int, dtype: Any = None, counts: Array | None = None) -> None:
        self.array = array
        self.axis = axis
        self.dtype = array.dtype if dtype is None else np.dtype(dtype)
        self.counts = counts

    def __len__(self) -> int:
        return int(self.array.shape[self.axis])

    def take(self, rows: Rows, among: Rows | None = None) -> Array:
        """The array of these examples; all other axes are whole."""
        selected: Array = self.array[(slice(None),) * self.axis + (rows,)]
        return selected.astype(self.dtype, copy=False)

    def lengths(self, rows: Rows) -> Array | None:
        """The valid steps that were given with the array."""
        return None if self.counts is None else self.counts[rows]


class SequenceSource:
    """Examples from a list of ``(time, …)`` arrays; a batch is ``(time, batch, …)``, padded with zeros.

    The time axis is as long as the longest sequence of the batch, and at least ``min_steps``.
    """

    def __init__(self, arrays: Sequence[Array], dtype: Any, min_steps: int = 1) -> None:
        self.arrays = list(arrays)
        self.min_steps = min_steps
        self.dtype = np.dtype(dtype)
        self.counts = np.array([len(array) for array in self.arrays], np.int64)
        first = self.arrays[0].shape[1:] if self.arrays else ()
        self.step_shape = next((array.shape[1:] for array in self.arrays if array.size), first)

    def __len__(self) -> int:
        return len(self.arrays)

    def take(self, rows: Rows, among: Rows | None = None) -> Array:
        """The padded array of these sequences."""
        positions = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        counts = self.counts[rows]
        steps = int((counts if among is None else self.counts[among]).max(initial=self.min_steps))
        padded = np.zeros((steps, len(counts), *self.step_shape), self.dtype)
        for column, position in enumerate(positions):
            if counts[column]:
                padded[: counts[column], column] = self.arrays[position]
        return padded

    def lengths(self, rows: Rows) -> Array:
        """The number of steps of each sequence."""
        return self.counts[rows]


def is_list(value: Any) -> bool:
    """Whether a value is a list of sequences rather than one array."""
    return isinstance(value, (list, tuple))


def sequence_arrays(value: Sequence[Any], where: str, *, integer: bool = False) -> list[Array]:
    """Each sequence as an array (time, …); an empty list is a sequence without steps.

    Raises
    ------
    ShapeError, DtypeError
        If they differ in more than the number of steps, or do not hold numbers.
    """
    arrays = []
    for i, sequence in enumerate(value):
        steps = np.zeros(0, np.int64) if is_list(sequence) and not sequence else sequence
        arrays.append(dtypes.as_array(steps, f"{where}, sequence {i}", integer=integer))
    step_shapes = {array.shape[1:] for array in arrays if array.size}
    if len(step_shapes) > 1 or any(array.ndim == 0 for array in arrays):
        received = " and ".join(str(array.shape) for array in arrays[:3])
        raise ShapeError("sequences differ in more than length", where=where, expected="(time, …)", received=received)
    return arrays
