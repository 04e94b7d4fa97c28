"""SoftMax as a loss layer: checks of inputs and labels, the loss, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet import DataError, Layer, Shape, ShapeError
from graphnet.authoring import as_array

Array = NDArray[Any]


def checked_input(layer: Layer, value: Any) -> Array:
    """Return ``value`` as an array of floats; integers are converted to float64.

    Raises
    ------
    ShapeError
        If the axis of classes or a batch axis is missing.
    DtypeError
        If the dtype is not supported.
    DataError
        If the batch is empty.
    """
    x = as_array(value, repr(layer))
    shape = layer.infer(Shape.of(x.shape))
    if x.ndim < 2:
        raise ShapeError(
            "the input has no batch axis", where=repr(layer), expected="(batch, classes)", received=str(shape)
        )
    if x.size == 0:
        raise DataError("the batch is empty", where=repr(layer), expected="at least one row", received=x.shape)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def one_hot(layer: Any, value: Any, shape: tuple[int, ...]) -> Array:
    """Return labels as an array, after checking that they are one-hot along the layer's axis.

    Raises
    ------
    ShapeError
        If they do not have the given shape; the message has both.
    DtypeError
        If they are not an array of numbers.
    DataError
        If a row is not one 1 and zeros otherwise, or contains NaN.
    """
    where = f"{layer!r}, labels"
    labels: Array = as_array(value, where)
    if labels.shape != shape:
        raise ShapeError(
            "labels and input differ in shape",
            where=where,
            expected=shape,
            received=labels.shape,
            remedy="Encode classes as rows of numpy.eye(classes).",
        )
    invalid = ((labels != 0) & (labels != 1)).any(layer.axis) | ((labels == 1).sum(layer.axis) != 1)
    if invalid.any():
        row = tuple(int(i) for i in np.argwhere(invalid)[0])
        received = np.moveaxis(labels, layer.axis, -1)[row]
        raise DataError(
            "labels are not one-hot",
            where=where,
            expected="one 1 in each row, zeros otherwise",
            received=f"{received} in row {row}",
        )
    return labels


def cross_entropy(layer: Any, x: Array, labels: Array) -> float:
    """Return ``Σ (log Σ_j exp(x_j) - x_label)`` over all rows, summed in float64.

    The largest exponential is 1 after the shift; log1p of the others keeps the relative precision of small losses.
    """
    top = np.expand_dims(x.argmax(layer.axis), layer.axis)
    shifted = x - np.take_along_axis(x, top, layer.axis)
    of_label = np.where(labels == 1, shifted, 0.0).sum(layer.axis)
    others = np.exp(shifted)
    np.put_along_axis(others, top, 0.0, layer.axis)
    rows = np.log1p(others.sum(layer.axis)) - of_label
    return float(rows.sum(dtype=np.float64))


def one_minus(y: Array, axis: int) -> Array:
    """Return ``1 - y`` for probabilities along an axis; for the most probable class it is the sum of the others.

    Examples
    --------
    >>> one_minus(np.array([[1.0, 1e-30]]), 1).tolist()
    [[1e-30, 1.0]]
    """
    top = np.expand_dims(y.argmax(axis), axis)
    others, result = y.copy(), 1.0 - y
    np.put_along_axis(others, top, 0.0, axis)
    np.put_along_axis(result, top, others.sum(axis, keepdims=True), axis)
    return result
