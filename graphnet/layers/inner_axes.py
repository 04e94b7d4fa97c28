"""Axes inside each row, which sums and means run over."""

from __future__ import annotations

from typing import Any

from graphnet.core.checks import is_python_int
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import check_rows, kept


def check_axes(layer: Any) -> None:
    """Require that the field ``axis`` is an integer or several different ones, and ``keepdims`` a truth value."""
    axes = layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)
    valid = bool(axes) and all(is_python_int(axis) and axis != 0 for axis in axes) and len(set(axes)) == len(axes)
    require(valid, layer, "axis", "an integer other than 0, or several different ones")
    require(isinstance(layer.keepdims, bool), layer, "keepdims", "True or False")


def reduced(x: Shape, layer: Any) -> Shape:
    """The shape after a sum over the axes ``layer.axis``.

    Raises
    ------
    ShapeError
        If an axis does not exist, is given twice or numbers the rows, or if no axis besides the rows would be left.
    """
    check_rows(x, layer)
    axes = sorted(inner_position(x, axis, layer) for axis in _axes(layer))
    if len(set(axes)) < len(axes):
        raise ShapeError("an axis is given twice", where=repr(layer), received=str(x))
    if layer.keepdims:
        for axis in axes:
            x = x.resized(axis, 1)
        return x
    if x.rank - len(axes) <= kept(x):
        raise ShapeError(
            "each row would be one number without an axis",
            where=repr(layer),
            expected="an axis besides those of the rows in the result",
            received=str(x),
            remedy="Pass keepdims=True, which keeps an axis of size 1.",
        )
    for axis in reversed(axes):
        x = x.without(axis)
    return x


def inner_position(x: Shape, axis: int, layer: Layer) -> int:
    """The position, from 0, of an axis inside each row.

    Raises
    ------
    ShapeError
        If there is none, or it numbers the rows.
    """
    if not -x.rank <= axis < x.rank or axis % x.rank < kept(x):
        raise ShapeError(
            "not an axis inside the rows of the value",
            where=repr(layer),
            expected=f"an axis after {x.names[kept(x) - 1]}",
            received=f"axis {axis} of {x}",
            remedy="Time is reduced by MeanOverTime or Last; the batch by the loss.",
        )
    return axis % x.rank


def _axes(layer: Any) -> tuple[int, ...]:
    return layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)


def with_axes(error: Any, x: Any, layer: Any) -> Any:
    """An error of the reduced value with axes of size 1 where ``x`` has those that were summed over."""
    if layer.keepdims:
        return error
    gone = {axis % x.ndim for axis in _axes(layer)}
    return error[tuple([None if axis in gone else slice(None) for axis in range(x.ndim)])]


def count(x: Any, layer: Any) -> int:
    """The number of elements that each sum adds."""
    product = 1
    for axis in _axes(layer):
        product *= x.shape[axis]
    return product
