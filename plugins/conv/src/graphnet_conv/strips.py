"""Pooling one axis at a time: the maximum or sum of a window is that of its rows, and then of these.

So a window of ``m · n`` cells costs ``m + n`` passes. Arrays keep the order of their axes in memory throughout.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

#: Axis (negative), window and stride of one pass.
Step = tuple[int, int, int]


def steps(window: tuple[int, ...], stride: tuple[int, ...]) -> list[Step]:
    """The passes, the last axis first; none along an axis that stays as it is."""
    each = enumerate(zip(window[::-1], stride[::-1], strict=True), start=1)
    return [(-i, *pair) for i, pair in each if pair != (1, 1)]


def strips(x: Any, step: Step) -> list[Any]:
    """For each cell of the window along the axis, a view of what it sees at all places."""
    axis, window, stride = step
    count, after = (x.shape[axis] - window) // stride + 1, (slice(None),) * (-axis - 1)
    return [x[(..., slice(i, i + (count - 1) * stride + 1, stride), *after)] for i in range(window)]


def reduced(function: np.ufunc, parts: list[Any]) -> Any:
    """``function`` over all parts; the part itself where there is but one."""
    if len(parts) == 1:
        return parts[0]
    total = function(*parts[:2])
    for part in parts[2:]:
        function(total, part, out=total)
    return total


def handed_out(error: Any, shares: Iterable[Any], total: Any, step: Step) -> Any:
    """``total``, overwritten: each cell of the window gets its share (0 or 1) of the error at all places.

    Where windows overlap, the shares add up.
    """
    axis, window, stride = step
    if stride != window or total.shape[axis] % window:
        total[...] = 0
    for place, share in zip(strips(total, step), shares, strict=True):
        if stride >= window:
            np.multiply(error, share, out=place)
        else:
            place += error * share
    return total


def alike(array: Any, like: Any) -> Any:
    """``array`` with its axes in memory in the order of ``like``'s, where elementwise work on both is fast."""
    if array.strides == like.strides:
        return array
    made = np.empty_like(like)
    made[...] = array
    return made
