"""Checks of class labels: integers that name a class, or one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import DataError, DtypeError

Array = npt.NDArray[Any]


def check_kind(where: str, target: Array, *, indices: bool) -> None:
    """Check that the dtype of labels is suitable for class indices, or for one-hot rows.

    Raises
    ------
    DataError
        If class indices are floats and one is NaN: a missing label.
    DtypeError
        If class indices are not integers, or one-hot rows do not hold numbers.
    """
    kind = target.dtype.kind
    if indices and kind == "f" and np.isnan(target).any():
        raise DataError("class labels hold NaN", where=where, expected="an integer for each row",
                        received=f"NaN at {_first(np.isnan(target))}", remedy="Drop or mask those rows.")  # fmt: skip
    if kind not in ("iu" if indices else "fiub"):
        raise DtypeError(
            "class labels must be integers" if indices else "one-hot labels must be numbers",
            where=where,
            expected="integers" if indices else "zeros and ones",
            received=f"dtype {target.dtype}",
            remedy="Convert them with astype(int).",
        )


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
                        received=f"{target[index]} at {index}", remedy="Number the classes from 0.")  # fmt: skip
    return indices


def clean_one_hot(where: str, target: Array) -> Array:
    """The class indices of one-hot rows, as ``intp``.

    Raises
    ------
    DataError
        If a row does not have a single 1 and zeros otherwise; also for NaN.
    """
    invalid = ~(((target == 0) | (target == 1)).all(axis=-1) & ((target == 1).sum(axis=-1) == 1))
    if invalid.any():
        index = _first(invalid)
        raise DataError("a one-hot row is not one-hot", where=where, expected="one 1 and zeros otherwise",
                        received=f"{target[index]} at {index}", remedy="Encode classes as rows of np.eye.")  # fmt: skip
    return np.asarray(np.argmax(target, axis=-1))


def _first(invalid: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(invalid)[0])
