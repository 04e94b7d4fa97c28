"""Checks of class labels: integers that name a class, or one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import DataError, DtypeError

Array = npt.NDArray[Any]


def check_kind(where: str, target: Array, *, indices: bool) -> None:
    """Refuse labels of a dtype that cannot be class indices, or cannot be one-hot rows.

    Raises
    ------
    DataError
        Class indices that came as floats and hold NaN: a missing label.
    DtypeError
        Other class indices that are no integers; one-hot rows that are no numbers.
    """
    kind = target.dtype.kind
    if indices and kind == "f" and np.isnan(target).any():
        raise DataError("class labels hold NaN", where=where, expected="an integer for every row",
                        received=f"NaN at {_first(np.isnan(target))}", remedy="Drop or mask those rows.")  # fmt: skip
    if kind not in ("iu" if indices else "fiub"):
        raise DtypeError(
            "class labels are no integers" if indices else "one-hot labels are no numbers",
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
        An index below 0 or above ``classes - 1``.
    """
    wrong = (target < 0) | (target >= classes)
    if wrong.any():
        place = _first(wrong)
        raise DataError("a class label names no class", where=where, expected=f"0 to {classes - 1}",
                        received=f"{target[place]} at {place}", remedy="Number the classes from 0.")  # fmt: skip
    return target.astype(np.intp)


def clean_one_hot(where: str, target: Array) -> Array:
    """The class indices of one-hot rows, as ``intp``.

    Raises
    ------
    DataError
        A row (NaN counts too) that is not one 1 and zeros otherwise.
    """
    wrong = ~(((target == 0) | (target == 1)).all(axis=-1) & ((target == 1).sum(axis=-1) == 1))
    if wrong.any():
        place = _first(wrong)
        raise DataError("a one-hot row is not one-hot", where=where, expected="one 1 and zeros otherwise",
                        received=f"{target[place]} at {place}", remedy="Encode classes as rows of np.eye.")  # fmt: skip
    return np.asarray(np.argmax(target, axis=-1))


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])
