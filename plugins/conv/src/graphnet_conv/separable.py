"""Pooling of one axis at a time: the maximum or sum of a window is that of its rows, and then of the results.

So a window of ``m · n`` cells costs ``m + n`` passes. Arrays keep the order of their axes in memory throughout.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

#: Axis (negative), window and stride of one pass.
AxisPass = tuple[int, int, int]


def axis_passes(window: tuple[int, ...], stride: tuple[int, ...]) -> list[AxisPass]:
    """Return the passes, the last axis first; an axis with window and stride 1 needs none."""
    pairs = enumerate(zip(window[::-1], stride[::-1], strict=True), start=1)
    return [(-i, *pair) for i, pair in pairs if pair != (1, 1)]


def window_cells(x: Any, axis_pass: AxisPass) -> list[Any]:
    """Return, for each cell of the window along the axis, a view of its values at all positions of the window."""
    axis, window, stride = axis_pass
    positions, after = (x.shape[axis] - window) // stride + 1, (slice(None),) * (-axis - 1)
    return [x[(..., slice(i, i + (positions - 1) * stride + 1, stride), *after)] for i in range(window)]


def reduce_cells(function: np.ufunc, cells: list[Any]) -> Any:
    """Reduce the cells of a window by ``function``; a single cell is returned as it is."""
    if len(cells) == 1:
        return cells[0]
    total = function(*cells[:2])
    for cell in cells[2:]:
        function(total, cell, out=total)
    return total


def scatter_error(error: Any, shares: Iterable[Any], out: Any, axis_pass: AxisPass) -> Any:
    """Overwrite ``out`` with the error at all positions times the share (0 or 1) of each cell of the window.

    Where windows overlap, the contributions are added.
    """
    axis, window, stride = axis_pass
    if stride != window or out.shape[axis] % window:
        out[...] = 0
    for cell, share in zip(window_cells(out, axis_pass), shares, strict=True):
        if stride >= window:
            np.multiply(error, share, out=cell)
        else:
            cell += error * share
    return out


def in_memory_order(array: Any, like: Any) -> Any:
    """Return ``array`` with its axes in memory in the order of ``like``, so that elementwise work on both is fast."""
    if array.strides == like.strides:
        return array
    copy = np.empty_like(like)
    copy[...] = array
    return copy
