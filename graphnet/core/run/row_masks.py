"""Masks of rows that are active or count in gradients, and operations with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array

#: Every row (None), no row (False), or those that are True.
Rows = Array | bool | None


def active(steps: int, lengths: Array | None) -> list[Rows]:
    """The rows that have not ended, for each step."""
    if lengths is None:
        return [None] * steps
    low, high = int(lengths.min()), int(lengths.max())
    return [None if t < low else (False if t >= high else lengths > t) for t in range(steps)]


def counting(steps: int, lengths: Array | None, last: int | None, reverse: bool) -> list[Rows]:
    """The rows that count in the gradient at each step, because it is among their ``last`` processed ones."""
    if last is None or last >= steps:
        return [None] * steps
    if reverse:
        return [None if t < last else False for t in range(steps)]
    first = np.asarray(steps if lengths is None else lengths) - last
    low, high = int(first.min()), int(first.max())
    return [None if t >= high else (False if t < low else first <= t) for t in range(steps)]


def spread(rows: Any, rank: int, axis: int = 0) -> Array:
    """A row mask that broadcasts with arrays of this rank, whose batch axis is ``axis``."""
    return np.reshape(rows, (*[1] * axis, -1, *[1] * (rank - axis - 1)))


def only(rows: Any, array: Array, axis: int = 0) -> Array:
    """``array`` with zeros in the rows that are False."""
    return np.where(spread(rows, array.ndim, axis), array, array.dtype.type(0))


def choose(rows: Any, new: Array, old: Array) -> Array:
    """``new`` in the rows that are True, ``old`` in the others."""
    return np.where(spread(rows, new.ndim), new, old)


def add(errors: list[Any], slot: int, array: Any) -> None:
    """Add an error to that of a slot; not in place, because a rule may return one array twice."""
    errors[slot] = array if errors[slot] is None else errors[slot] + array


def both(a: Rows, b: Rows) -> Rows:
    """The rows that count in an outer and in an inner loop."""
    if a is False or b is False:
        return False
    if a is None:
        return b
    return a if b is None else np.logical_and(a, b)


def mask(array: Array, lengths: Array) -> Array:
    """A copy of ``array (time, batch, …)`` with zeros after each row's end."""
    masked = array.copy()
    masked[np.arange(len(array))[:, None] >= lengths] = 0
    return masked


def taken(array: Array, order: Array) -> Array:
    """A copy of ``array (time, batch, …)`` with its (step, row) pairs in this order, numbered row by row."""
    rows = np.ascontiguousarray(array).reshape(len(order), -1)
    reordered: Array = rows.take(order, axis=0).reshape(array.shape)
    return reordered


def owner(array: Array) -> Array:
    """The array that owns the memory of an array: itself, or the one that it is a view of.

    ``numpy.may_share_memory`` is more precise, but releases the GIL in each call, which lets another thread take it.
    """
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
