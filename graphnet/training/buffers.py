"""Flat arrays that come round again once nobody else holds them."""

from __future__ import annotations

import math
import sys

import numpy as np

from graphnet.core.describe.parameter import Array


class Buffers:
    """Hands out flat arrays of one size and dtype; what is given back is handed out again when that changes nothing.

    A view keeps the array under it alive, so an array that somebody still looks at, through however many views, has
    more references than the one here. Such an array is let go, never written again. New memory of some megabytes costs
    more time than an optimizer's step: the system gives it page by page.

    Parameters
    ----------
    size : int
    dtype : numpy dtype

    Examples
    --------
    >>> buffers = Buffers(4, np.dtype(float))
    >>> first = buffers.take()
    >>> view, place = first[:2], id(first)
    >>> buffers.give(first)
    >>> del first
    >>> id(buffers.take()) == place
    False
    """

    def __init__(self, size: int, dtype: np.dtype) -> None:
        self.size, self.dtype = size, dtype
        self._spare: list[Array] = []

    def take(self) -> Array:
        """An array that nobody else holds, with anything in it."""
        while self._spare:
            held = [self._spare.pop()]
            if _references(held) <= _ALONE:
                return held[0]
        return np.empty(self.size, self.dtype)

    def give(self, array: Array) -> None:
        """Take an array back; the caller and others may go on reading it."""
        self._spare = [*self._spare[-1:], array]


def _references(held: list[Array]) -> float:
    """References to the one array of a list; infinitely many on an interpreter that does not count them."""
    count = getattr(sys, "getrefcount", None)
    return math.inf if count is None else count(held[0])


#: References to an array that only a list holds, as this interpreter counts them.
_ALONE = min(_references([np.empty(1)]), sys.maxsize)
