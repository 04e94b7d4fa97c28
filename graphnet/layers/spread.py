"""Arrays that are the same for every row, as values with an axis of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet.core.describe.axes import FEATURE
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import check_rows, kept


def spread_shape(x: Shape, sizes: Sequence[int], layer: Layer, *, more: bool = False) -> Shape:
    """The shape of an array of these sizes for each row of ``x``: the axes of the rows, then those of the array.

    An array with fewer axes than a row of ``x`` has axes of size 1 before its own, as in numpy's broadcasting; one with
    more loses axes of size 1 at its start. With ``more``, it may have more axes than a row of ``x``.

    Raises
    ------
    ShapeError
        If it has more axes than a row of ``x``.
    """
    check_rows(x, layer)
    rows = kept(x)
    inner = max(x.rank - rows, 1)
    sizes = tuple(sizes)
    while len(sizes) > inner and sizes[0] == 1:
        sizes = sizes[1:]
    if len(sizes) > inner and more:
        names = Shape.of([None, *sizes]).names[1:]
        return Shape((*x.names[:rows], *names), (*x.sizes[:rows], *sizes), declared=False)
    if len(sizes) > inner:
        raise ShapeError(
            "the array has more axes than a row of the value",
            where=repr(layer),
            expected=f"at most {inner}, those after {x.names[rows - 1]} of {x}",
            received=f"an array of shape {tuple(sizes)}",
            remedy="The array is the same for every row: leave out the axes of time and batch.",
        )
    names = x.names[rows:] or (FEATURE,)
    return Shape((*x.names[:rows], *names), (*x.sizes[:rows], *[1] * (inner - len(sizes)), *sizes), x.declared)


def spread(array: Any, x: Any, shape: Shape) -> Any:
    """``array`` for each row of ``x``, in the shape that :func:`spread_shape` returns; not writable."""
    rows = kept(shape)
    inner = tuple(n or 0 for n in shape.sizes[rows:])
    return np.broadcast_to(array.reshape(inner), (*x.shape[:rows], *inner))


def row_sum(error: Any, shape: tuple[int, ...]) -> Any:
    """The error of an array from those of its copies for each row: their sum, in the shape of the array."""
    flat = error if error.ndim == 2 else error.reshape(-1, math.prod(shape))
    total = flat.sum(0)
    return total if total.shape == shape else total.reshape(shape)
