"""In which order the steps of each row are processed, and the arrays in that order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.heap import keep_freed

Array = Any


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which a recurrence processes the steps of each row.

    Attributes
    ----------
    lengths : int array (batch,), optional
        Valid steps of each row, from the first; 0 is allowed. None: all.
    reverse : bool
        From the last valid step of each row to its first.
    """

    lengths: Array | None = None
    reverse: bool = False


FORWARD = Order()


class Steps:
    """Arrays of a recurrence in the order of processing, with neutral values beyond the ends of rows.

    Parameters
    ----------
    order : Order
    arrays : sequence of arrays (batch or 1, steps or 1, ...) or None
        The arguments, which together have the sizes of the batch and the steps.
    """

    def __init__(self, order: Order, arrays: Sequence[Array | None]) -> None:
        keep_freed()
        sizes = np.broadcast_shapes(*(a.shape[:2] for a in arrays if a is not None))
        self.batch, self.count = sizes
        self.reverse = order.reverse
        #: (batch, steps), in the order of time: whether the row has ended; None if no row ends early.
        self.ended: Array | None = None
        if order.lengths is not None and (order.lengths < self.count).any():
            self.ended = np.arange(self.count) >= order.lengths[:, None]

    def _flip(self, array: Array) -> Array:
        return array[:, ::-1] if self.reverse else array

    def enter(self, array: Array | None, neutral: float = 0.0) -> Array | None:
        """An argument in the order of processing, ``neutral`` beyond the ends of rows."""
        if array is None:
            return None
        if self.ended is not None:
            ended = self.ended.reshape(*self.ended.shape, *[1] * (array.ndim - 2))
            array = np.where(ended, array.dtype.type(neutral), array)
        return self._flip(array)

    def whole(self, array: Array) -> Array:
        """A view with the whole batch and all steps of an argument in the order of processing."""
        if array.shape[:2] == (self.batch, self.count):
            return array
        return np.broadcast_to(array, (self.batch, self.count, *array.shape[2:]))

    def leave(self, array: Array) -> Array:
        """A result in the order of time, zero beyond the ends of rows; changes the array."""
        array = self._flip(array)
        if self.ended is not None:
            array[self.ended] = 0
        return array

    def shown(self, array: Array) -> Array:
        """The same for an array that must not be changed: a view of it where no row ends early."""
        return self.leave(array if self.ended is None else array.copy("K"))

    def error(self, array: Array, argument: Array) -> Array:
        """The error of an argument, in the order of time and of the argument's shape; changes the array."""
        return summed(self.leave(array), argument.shape)

    def allocate(self, like: Array, count: int, *inner: int) -> Array:
        """An array ``(batch, count, *inner)``, batch-major or time-major as another is."""
        if abs(like.strides[1]) > abs(like.strides[0]) and like.shape[0] > 1:
            return np.empty((count, self.batch, *inner), like.dtype).swapaxes(0, 1)
        return np.empty((self.batch, count, *inner), like.dtype)


def summed(array: Array, shape: tuple[int, ...]) -> Array:
    """An array summed over the axes that have size 1 in ``shape``."""
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and array.shape[i] != 1)
    return array.sum(axis=axes, keepdims=True) if axes else array


def inner_sum(array: Array, inner: tuple[int, ...]) -> Array:
    """An array summed over those of the last two axes that have size 1 in ``inner``."""
    axes = tuple(a for a in (-2, -1) if inner[a] == 1 and array.shape[a] != 1)
    return array.sum(axis=axes, keepdims=True) if axes else array
