"""Operators that write at indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import ConfigError, DataError
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.indexing import along, indices_within
from graphnet_onnx.operators.shapes import axis_of
from graphnet_onnx.operators.table import operator

#: How several updates, and what was there, are combined.
REDUCTIONS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _write(context: Context, target: Any, places: Any, updates: Any) -> Any:
    reduction = context.get("reduction", "none")
    if reduction == "none":
        target[places] = updates
    elif reduction in REDUCTIONS:
        REDUCTIONS[reduction].at(target, places, updates)
    else:
        raise context.failure(
            "unknown reduction", ConfigError, expected="none, add, mul, max or min", received=reduction
        )
    return target


@operator("Scatter", "ScatterElements")
def scatter_elements(context: Context, x: Any, indices: Any, updates: Any) -> Any:
    """A copy with one number replaced for each index, which is its position along ``axis``."""
    axis = axis_of(context, x.ndim, context["axis"])
    context.require(
        indices.shape == updates.shape, "one update for each index", expected=indices.shape, received=updates.shape
    )
    return _write(context, x.copy(), along(indices, axis, indices_within(context, indices, x.shape[axis])), updates)


@operator("ScatterND")
def scatter_nd(context: Context, x: Any, indices: Any, updates: Any) -> Any:
    """A copy with the entries at index vectors, the last axis of ``indices``, replaced."""
    depth = indices.shape[-1]
    context.require(depth <= x.ndim, "the index vectors are too long", expected=f"at most {x.ndim}", received=depth)
    vectors = tuple(indices_within(context, indices[..., i], x.shape[i]) for i in range(depth))
    return _write(context, x.copy(), vectors, updates)


@operator("TensorScatter")
def tensor_scatter(context: Context, cache: Any, update: Any, starts: Any = None) -> Any:
    """A copy of a cache with the rows' updates from their start positions on, along ``axis``."""
    axis = axis_of(context, cache.ndim, context["axis"])
    context.require(axis > 0, "the axis of the positions cannot be that of the rows")
    result = cache.copy()
    rows, steps, size = cache.shape[0], update.shape[axis], cache.shape[axis]
    for row in range(rows):
        places = np.arange(steps) + (0 if starts is None else int(starts[row]))
        if context["mode"] == "circular":
            places %= size
        elif steps and places[-1] >= size:
            raise context.failure(
                "an update ends after the cache", DataError, expected=f"at most {size}", received=places[-1]
            )
        np.moveaxis(result[row], axis - 1, 0)[places] = np.moveaxis(update[row], axis - 1, 0)
    return result
