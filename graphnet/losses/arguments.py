"""The arguments of a loss: checked, and reduced to their valid rows."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from graphnet.core.array_types import plain
from graphnet.core.checks import float_array, working_dtype
from graphnet.losses.rows import checked_mask, checked_size, checked_weights, valid, without_ignored

Array = npt.NDArray[Any]


class Targets(Protocol):
    """What a loss says about its targets; see :class:`graphnet.losses.Loss`."""

    row_axes: ClassVar[int]

    @property
    def ignore_index(self) -> int | None:
        """The target that stands for "no target"."""

    @property
    def per_column(self) -> bool:
        """Whether a mask of elements is passed on as weights."""

    def fitted(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The target with the axes of the prediction."""

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Raise an error unless the target fits."""

    def ignored(self, prediction_shape: tuple[int, ...], target: Array) -> Array | None:
        """True at the targets that do not count."""

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The valid rows in the form of the rule."""


class CheckedArguments(NamedTuple):
    """Checked arguments: the whole prediction, the mask or None, and the valid part of all arrays."""

    prediction: Array
    mask: Array | None
    valid_prediction: Array
    valid_target: Array
    valid_weights: Array | None


def checked_arguments(
    loss: Targets, prediction: npt.ArrayLike, target: npt.ArrayLike, mask: Any, weights: Any
) -> CheckedArguments:
    """All arguments of a loss, checked; float16 is computed in float32.

    Raises
    ------
    ShapeError, DtypeError, DataError
        See :meth:`graphnet.losses.Loss.check`.
    """
    array = float_array(type(loss).__name__, "prediction", prediction)
    valid_mask, valid_target, row_weights = valid_part(loss, array.shape, target, mask, weights)
    rows = valid(array, valid_mask).astype(working_dtype(array.dtype), copy=False)
    if row_weights is not None:
        row_weights = row_weights.astype(rows.dtype)
        rows = np.where(over(row_weights, rows) > 0, rows, rows.dtype.type(0))  # 0 times NaN is not 0
    return CheckedArguments(array, valid_mask, rows, valid_target, row_weights)


def valid_part(
    loss: Targets, shape: tuple[int, ...], target: npt.ArrayLike, mask: Any, weights: Any
) -> tuple[Array | None, Array, Array | None]:
    """The mask, and the valid rows of the target and of the weights."""
    where = type(loss).__name__
    checked_size(where, shape, loss.row_axes)
    array = loss.fitted(shape, plain(target, f"{where}, target"))
    loss.check_target(shape, array)
    ignored = None if loss.ignore_index is None else loss.ignored(shape, array)
    if ignored is not None:
        mask = without_ignored(where, shape, mask, ignored, loss.row_axes)
    valid_mask = checked_mask(where, shape, mask, loss.row_axes)
    row_weights = None if weights is None else checked_weights(where, shape, weights, loss.row_axes)
    if valid_mask is None:
        return None, loss.clean_target(shape, array), row_weights
    if row_weights is not None and row_weights.ndim < valid_mask.ndim:
        row_weights = np.broadcast_to(over(row_weights, valid_mask), valid_mask.shape)
    if loss.per_column and valid_mask.ndim == len(shape):
        row_weights = valid_mask * (1.0 if row_weights is None else row_weights)
        return None, loss.clean_target(shape, np.where(valid_mask, array, array.dtype.type(0))), row_weights
    valid_shape = (int(valid_mask.sum()), *shape[valid_mask.ndim :])
    row_weights = None if row_weights is None else row_weights[valid_mask]
    return valid_mask, loss.clean_target(valid_shape, array[valid_mask]), row_weights


def over(weights: Array, losses: Array) -> Array:
    """Weights with axes of size 1 at their end, which numpy broadcasts over the losses."""
    return weights.reshape(*weights.shape, *(1,) * (losses.ndim - weights.ndim))
