"""Operators that read at indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import DataError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.shapes import axis_of
from graphnet_onnx.operators.table import operator


def indices_within(context: Context, indices: Any, size: int) -> Any:
    """Return indices as numbers from 0.

    Raises
    ------
    DataError
        If one is outside ``-size`` to ``size - 1``.
    """
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise context.failure(
            "an index is out of range",
            DataError,
            expected=f"{-size} to {size - 1}",
            received=f"{indices.min()} to {indices.max()}",
        )
    return np.where(indices < 0, indices + size, indices)


@operator("Gather")
def gather(context: Context, x: Any, indices: Any) -> Any:
    """Entries along ``axis``."""
    axis = axis_of(context, x.ndim, context["axis"])
    return np.take(x, indices_within(context, indices, x.shape[axis]), axis)


@operator("GatherElements")
def gather_elements(context: Context, x: Any, indices: Any) -> Any:
    """One number for each index, which is its position along ``axis``."""
    axis = axis_of(context, x.ndim, context["axis"])
    places = along(indices, axis, indices_within(context, indices, x.shape[axis]))
    return x[places]


def along(indices: Any, axis: int, replaced: Any) -> tuple[Any, ...]:
    """The position of each element of an array, with its position along one axis replaced."""
    places = list(np.indices(indices.shape, sparse=True))
    places[axis] = replaced
    return tuple(places)


@operator("GatherND")
def gather_nd(context: Context, x: Any, indices: Any) -> Any:
    """Entries at index vectors, the last axis of ``indices``, after ``batch_dims`` common axes."""
    shared, depth = int(context.get("batch_dims", 0)), indices.shape[-1]
    context.require(
        shared + depth <= x.ndim, "the index vectors are too long", expected=x.ndim - shared, received=depth
    )
    vectors = [indices_within(context, indices[..., i], x.shape[shared + i]) for i in range(depth)]
    batch = np.indices(x.shape[:shared], sparse=True)
    after = indices.ndim - 1 - shared
    return x[(*(b.reshape(*b.shape, *([1] * after)) for b in batch), *vectors)]


@operator("Compress")
def compress(context: Context, x: Any, condition: Any) -> Any:
    """The entries along ``axis``, or of the flattened array, where the condition holds."""
    return np.compress(condition, x, context.get("axis"))


@operator("NonZero")
def nonzero(context: Context, x: Any) -> Any:
    """The positions of the numbers that are not 0: one row for each axis."""
    if not x.ndim:
        return np.zeros((0, int(bool(x))), np.int64)
    return np.array(np.nonzero(x), np.int64)


@operator("TopK")
def top_k(context: Context, x: Any, k: Any = None) -> tuple[Any, Any]:
    """The k greatest (or least) numbers along ``axis`` and their positions; equal ones in the order of the input."""
    axis = axis_of(context, x.ndim, context["axis"])
    count = int(context["k"] if k is None else np.reshape(k, ()))
    context.require(0 <= count <= x.shape[axis], "k is out of range", expected=f"0 to {x.shape[axis]}", received=count)
    if context.get("largest", 1):
        backwards = np.argsort(np.flip(x, axis), axis, kind="stable")
        order = x.shape[axis] - 1 - np.flip(backwards, axis)
    else:
        order = np.argsort(x, axis, kind="stable")
    order = np.take(order, np.arange(count), axis)
    return np.take_along_axis(x, order, axis), order


@operator("Unique")
def unique(context: Context, x: Any) -> tuple[Any, ...]:
    """The different numbers or slices: sorted, or in the order of their first places; with places and counts."""
    axis = context.get("axis")
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    inverse = inverse.reshape(-1)
    if not context["sorted"]:
        order = np.argsort(first, kind="stable")
        values = np.take(values, order, 0 if axis is None else axis)
        first, counts = first[order], counts[order]
        inverse = np.argsort(order)[inverse]
    return values, first, inverse, counts


@operator("OneHot")
def one_hot(context: Context, indices: Any, depth: Any, values: Any) -> Any:
    """``values[1]`` at each index along a new axis, ``values[0]`` elsewhere; all of that where an index is outside."""
    size = int(np.reshape(depth, ()))
    axis = axis_of(context, indices.ndim + 1, context["axis"])
    whole = indices.astype(np.int64)
    whole = np.where(whole < 0, whole + size, whole)
    steps = np.arange(size).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
    return np.where(np.expand_dims(whole, axis) == steps, values[1], values[0]).astype(values.dtype)


@operator("Trilu")
def triangle(context: Context, x: Any, k: Any = None) -> Any:
    """The upper or lower triangle of the last two axes from the diagonal k on, and zeros elsewhere."""
    diagonal = 0 if k is None else int(np.reshape(k, ()))
    below = np.tri(x.shape[-2], x.shape[-1], diagonal - bool(context["upper"]), bool)
    return np.where(~below if context["upper"] else below, x, np.zeros((), x.dtype))
