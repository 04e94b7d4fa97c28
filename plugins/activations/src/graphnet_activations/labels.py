"""What SoftMax asks of inputs and labels when it is a loss layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet import DataError, Layer, Shape, ShapeError
from graphnet.authoring import as_array

Array = NDArray[Any]


def checked_input(layer: Layer, value: Any) -> Array:
    """``value`` as an array of floats; whole numbers become float64.

    Raises
    ------
    ShapeError
        Without an axis of classes, and one for the batch.
    DtypeError
        A dtype that cannot be kept.
    DataError
        An empty batch.
    """
    x = as_array(value, repr(layer))
    shape = layer.infer(Shape.of(x.shape))
    if x.ndim < 2:
        raise ShapeError("no batch axis", where=repr(layer), expected="(batch, classes)", received=str(shape))
    if x.size == 0:
        raise DataError("an empty batch", where=repr(layer), expected="at least one row", received=x.shape)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def one_hot(layer: Any, value: Any, shape: tuple[int, ...]) -> Array:
    """Labels as an array, once they are one-hot along the layer's axis and of the prediction's shape.

    Raises
    ------
    ShapeError
        Another shape; the message has both.
    DtypeError
        Labels that are no numbers, or no array at all.
    DataError
        NaN; a row that is not one 1 and zeros otherwise.
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
    wrong = ((labels != 0) & (labels != 1)).any(layer.axis) | ((labels == 1).sum(layer.axis) != 1)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        received = np.moveaxis(labels, layer.axis, -1)[place]
        raise DataError(
            "labels are not one-hot",
            where=where,
            expected="one 1 in each row, zeros otherwise",
            received=f"{received} in row {place}",
        )
    return labels


def cross_entropy(layer: Any, x: Array, labels: Array) -> float:
    """``Σ (log Σ_j exp(x_j) - x_label)`` over all rows, summed in float64.

    The largest exponential is 1 after the shift; log1p of the others keeps the relative precision of small losses.
    """
    top = np.expand_dims(x.argmax(layer.axis), layer.axis)
    shifted = x - np.take_along_axis(x, top, layer.axis)
    own = np.where(labels == 1, shifted, 0.0).sum(layer.axis)
    others = np.exp(shifted)
    np.put_along_axis(others, top, 0.0, layer.axis)
    rows = np.log1p(others.sum(layer.axis)) - own
    return float(rows.sum(dtype=np.float64))


def complement(y: Array, axis: int) -> Array:
    """``1 - y`` for probabilities along an axis; that of the most probable class is the sum of the others.

    Examples
    --------
    >>> complement(np.array([[1.0, 1e-30]]), 1).tolist()
    [[1e-30, 1.0]]
    """
    top = np.expand_dims(y.argmax(axis), axis)
    others, found = y.copy(), 1.0 - y
    np.put_along_axis(others, top, 0.0, axis)
    np.put_along_axis(found, top, others.sum(axis, keepdims=True), axis)
    return found
