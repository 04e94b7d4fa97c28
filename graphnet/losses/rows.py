"""Masks over the leading axes of a prediction, and the valid rows that they leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.errors import DataError, DtypeError, ShapeError

Array = npt.NDArray[Any]


def checked_size(where: str, shape: tuple[int, ...], row_axes: int) -> None:
    """Check that a prediction has enough axes and is not empty.

    Raises
    ------
    ShapeError
        If there are fewer than ``row_axes + 1`` axes.
    DataError
        If a size is 0.
    """
    if len(shape) < row_axes + 1:
        raise ShapeError("the prediction has too few axes", where=where, expected=f"{row_axes + 1} or more",
                         received=f"shape {shape}", remedy="Put the batch on axis 0.")  # fmt: skip
    if 0 in shape:
        raise DataError("the prediction is empty", where=where, expected="one row or more",
                        received=f"shape {shape}", remedy="Skip empty batches.")  # fmt: skip


def checked_mask(where: str, shape: tuple[int, ...], mask: npt.ArrayLike | None, row_axes: int) -> Array | None:
    """``mask`` as a boolean array over leading axes of ``shape`` with at least one True; None stays None.

    Raises
    ------
    DtypeError, ShapeError, DataError
        If it is not boolean, its axes are not the leading ones, or it masks all rows.
    """
    if mask is None:
        return None
    array = plain(mask, f"{where}, mask")
    if array.dtype != np.bool_:
        raise DtypeError("the mask must be boolean", where=where, expected="dtype bool",
                         received=f"dtype {array.dtype}", remedy="Compare: mask = lengths > step.")  # fmt: skip
    leading = shape[: len(shape) - row_axes]
    if array.ndim == 0 or array.shape != leading[: array.ndim]:
        raise ShapeError("the mask does not fit the prediction", where=where,
                         expected=f"{leading} or its first axes, for a prediction of shape {shape}",
                         received=array.shape, remedy="Give one boolean for each row.")  # fmt: skip
    if not array.any():
        raise DataError("every row is masked", where=where, expected="one valid row or more", received="none",
                        remedy="Skip such batches.")  # fmt: skip
    return array


def valid(array: Array, mask: Array | None) -> Array:
    """The rows of ``array`` at which ``mask`` is True, along one leading axis; without a mask the array itself."""
    return array if mask is None else array[mask]


def without_ignored(
    where: str, shape: tuple[int, ...], mask: npt.ArrayLike | None, ignored: Array, row_axes: int
) -> Array:
    """The mask without the rows at which ``ignored`` is True.

    Raises
    ------
    DtypeError, ShapeError, DataError
        As :func:`checked_mask`.
    """
    kept = ~ignored
    if mask is None:
        return kept
    array = checked_mask(where, shape, mask, row_axes)
    assert array is not None
    return kept & array.reshape(*array.shape, *(1,) * (kept.ndim - array.ndim))


def checked_weights(where: str, shape: tuple[int, ...], weights: npt.ArrayLike, row_axes: int) -> Array:
    """``weights`` as float64 over leading axes of ``shape``.

    Raises
    ------
    DtypeError, ShapeError, DataError
        If they are not numbers, their axes are not the leading ones, or one is negative or not finite.
    """
    array = plain(weights, f"{where}, weights")
    if array.dtype.kind not in "fiub":
        raise DtypeError("weights must be numbers", where=where, expected="floats of at least 0",
                         received=f"dtype {array.dtype}", remedy="Convert them with astype(float).")  # fmt: skip
    leading = shape[: len(shape) - row_axes]
    if array.ndim == 0 or array.shape != leading[: array.ndim]:
        raise ShapeError("the weights do not fit the prediction", where=where,
                         expected=f"{leading} or its first axes, for a prediction of shape {shape}",
                         received=array.shape, remedy="Give one weight for each row.")  # fmt: skip
    wrong = ~((array >= 0) & np.isfinite(array))
    if wrong.any():
        raise DataError("a weight is negative or not finite", where=where, expected="finite numbers of at least 0",
                        received=array[wrong][0], remedy="Use 0 to leave a row out.")  # fmt: skip
    return array.astype(np.float64, copy=False)
