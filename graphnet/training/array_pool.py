"""Flat arrays that are reused once nothing else refers to them."""

from __future__ import annotations

import math
import sys

import numpy as np

from graphnet.core.describe.parameter import Array


class ArrayPool:
    """Returns flat arrays of one size and dtype; a released array is reused if nothing else refers to it.

    A view keeps a reference to its array. An array with more references than the pool's own, through any number of
    views, is dropped from the pool and never written again. Reuse matters because the operating system hands out new
    memory page by page, which for several megabytes takes longer than an optimizer step.

    Parameters
    ----------
    size : int
    dtype : numpy dtype

    Examples
    --------
    >>> pool = ArrayPool(4, np.dtype(float))
    >>> first = pool.acquire()
    >>> view, address = first[:2], id(first)
    >>> pool.release(first)
    >>> del first
    >>> id(pool.acquire()) == address
    False
    """

    def __init__(self, size: int, dtype: np.dtype) -> None:
        self.size, self.dtype = size, dtype
        self._free: list[Array] = []

    def acquire(self) -> Array:
        """An array to which nothing else refers, with arbitrary contents."""
        while self._free:
            candidate = [self._free.pop()]
            if _reference_count(candidate) <= _SOLE_REFERENCE:
                return candidate[0]
        return np.empty(self.size, self.dtype)

    def release(self, array: Array) -> None:
        """Return an array to the pool; it may still be read by the caller and others."""
        self._free = [*self._free[-1:], array]


def _reference_count(candidate: list[Array]) -> float:
    """The number of references to the one array of a list; infinity on an interpreter that does not count them."""
    count = getattr(sys, "getrefcount", None)
    return math.inf if count is None else count(candidate[0])


#: The reference count of an array that only a list refers to, on this interpreter.
_SOLE_REFERENCE = min(_reference_count([np.empty(1)]), sys.maxsize)
