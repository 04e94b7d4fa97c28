"""What the losses of classes share: targets as class indices or rows of probabilities, and ignored rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array
from graphnet.core.errors import ShapeError
from graphnet.losses.base import Loss
from graphnet.losses.classes import check_kind, clean_indices, clean_rows
from graphnet.losses.softmax import checked_ignore_index

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ClassLoss(Loss):
    """Base of the losses of one class out of several: a row of scores ``(batch, ..., classes)`` against its class.

    The target is either class indices ``(batch, ...)`` or ``(batch, ..., 1)``: integers, booleans or whole floats from
    0 to classes - 1; or rows of the prediction's shape, one-hot or of probabilities.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid rows (every axis but the last), or their sum.
    ignore_index : int, optional, keyword only
        Rows whose class index is this number do not count, as if they were masked: -1, for example. None: every index
        must be a class.
    """

    ignore_index: int | None = field(default=None, kw_only=True)

    task: ClassVar[str] = "classes"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "ignore_index", checked_ignore_index(type(self).__name__, self.ignore_index))

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for class indices over all axes but the last, or rows over all axes."""
        where = type(self).__name__
        if prediction_shape[-1] < 2:
            raise ShapeError("at least two classes are needed", where=where,
                             expected="two scores or more on the last axis", received=f"shape {prediction_shape}",
                             remedy="Use BinaryCrossEntropy for one logit.")  # fmt: skip
        if target.shape not in (prediction_shape[:-1], prediction_shape):
            raise ShapeError("the shapes of target and prediction do not match", where=where,
                             expected=f"class indices {prediction_shape[:-1]} or one-hot {prediction_shape}",
                             received=target.shape, remedy="Reshape the target.")  # fmt: skip

    def fitted(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """Class indices without a last axis of size 1."""
        if target.shape == (*prediction_shape[:-1], 1) and prediction_shape[-1] != 1:
            return target.reshape(prediction_shape[:-1])
        return target

    def ignored(self, prediction_shape: tuple[int, ...], target: Array) -> Array | None:
        """The rows whose index is ``ignore_index``; None for rows of probabilities, too."""
        if self.ignore_index is None or target.ndim == len(prediction_shape) or target.dtype.kind not in "iuf":
            return None
        rows: Array = target == self.ignore_index
        return rows if rows.any() else None

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """Class indices, from indices or one-hot rows; rows of probabilities as floats."""
        indices = target.ndim < len(prediction_shape)
        check_kind(type(self).__name__, target, indices=indices)
        if indices:
            return clean_indices(type(self).__name__, target, prediction_shape[-1])
        return clean_rows(type(self).__name__, target)

    def predicted(self, prediction: npt.ArrayLike) -> Array:
        """The index of the largest score of each row, the first of equal ones."""
        return np.asarray(np.argmax(float_array(type(self).__name__, "prediction", prediction), axis=-1))
