"""Checks of class labels: integers that name a class, or one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import DataError, DtypeError

Array = npt.NDArray[Any]


def check_kind(where: str, target: Array, *, indices: bool) -> None:
    """Check that the dtype of labels is suitable for class indices, or for rows of numbers.

    Raises
    ------
    DataError
        If class indices are floats and one is NaN: a missing label.
    DtypeError
        If class indices are not whole numbers or booleans, or rows do not hold numbers.
    """
    kind = target.dtype.kind
    if indices and kind == "f" and np.isnan(target).any():
        raise DataError("class labels hold NaN", where=where, expected="an integer for each row",
                        received=f"NaN at {_first(np.isnan(target))}", remedy="Drop or mask those rows.")  # fmt: skip
    if kind not in "fiub":
        raise DtypeError(
            "class labels must be integers" if indices else "rows of labels must be numbers",
            where=where,
            expected="integers" if indices else "zeros and ones, or probabilities",
            received=f"dtype {target.dtype}",
            remedy="Model.fit numbers the classes of text; elsewhere use numpy.unique(labels, return_inverse=True).",
        )
    if indices and kind == "f" and not (whole := np.mod(target, 1) == 0).all():
        index = _first(~whole)
        raise DtypeError("class labels must be integers", where=where, expected="whole numbers",
                         received=f"{target[index]} at {index}",
                         remedy="For targets that are numbers use another loss, such as MeanSquaredError.")  # fmt: skip


def clean_indices(where: str, target: Array, classes: int) -> Array:
    """Class indices as ``intp``.

    Raises
    ------
    DataError
        If an index is below 0 or above ``classes - 1``.
    """
    indices = target.astype(np.intp)
    if indices.size and indices.view(np.uintp).max() >= classes:  # a negative number is large without a sign
        index = _first((target < 0) | (target >= classes))
        raise DataError("a class label is out of range", where=where, expected=f"0 to {classes - 1}",
                        received=f"{target[index]} at {index}", remedy=_remedy(target[index]))  # fmt: skip
    return indices


def clean_rows(where: str, target: Array, *, soft: bool = False) -> Array:
    """The class indices of one-hot rows, as ``intp``; rows of probabilities (always, if ``soft``) as floats.

    Raises
    ------
    DataError
        If a row holds a number below 0, or its sum differs from 1 by more than 0.001; also for NaN.
    """
    ones = target == 1
    if not soft and (((target == 0) | ones).all(axis=-1) & (ones.sum(axis=-1) == 1)).all():
        return np.asarray(np.argmax(target, axis=-1))
    values = target.astype(np.result_type(target.dtype, np.float32), copy=False)
    invalid = ~((values >= 0).all(axis=-1) & (np.abs(values.sum(axis=-1) - 1.0) <= 1e-3))
    if invalid.any():
        index = _first(invalid)
        raise DataError("a row of labels is neither one-hot nor probabilities", where=where,
                        expected="one 1 and zeros otherwise, or probabilities that sum to 1",
                        received=f"{target[index]} at {index}",
                        remedy="Encode classes as rows of np.eye. For several yes-or-no labels a row, use "
                        "BinaryCrossEntropy.")  # fmt: skip
    return values


def _remedy(index: Any) -> str:
    if index < 0:
        return f"To leave such rows out, set ignore_index={int(index)} of the loss, or mask them."
    return "Number the classes from 0, or pass classes=[...], the labels in order, to Model.fit."


def _first(invalid: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(invalid)[0])
