"""Hinge loss of yes-or-no outputs (Cortes & Vapnik 1995, Machine Learning 20)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array, number
from graphnet.core.errors import DataError
from graphnet.losses.base import Loss

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Hinge(Loss):
    """``max(0, margin - y x)`` for each score ``x`` and side ``y``, -1 or 1; its error is ``-y`` where that is above 0.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid elements, or their sum.
    margin : float above 0, keyword only

    Notes
    -----
    The target has the shape of the prediction, as for :class:`~graphnet.losses.BinaryCrossEntropy`, and holds booleans,
    0 and 1, or -1 and 1: what is above 0 is positive. For one of several classes see
    :class:`~graphnet.losses.MulticlassHinge`.

    Examples
    --------
    >>> Hinge().value_and_error([0.5, -2.0], [1, -1])
    (0.25, array([-0.5,  0. ]))
    """

    margin: float = field(default=1.0, kw_only=True)

    row_axes: ClassVar[int] = 0
    task: ClassVar[str] = "labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "margin", number("Hinge", "margin", self.margin, 0.0, above=True))

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for numbers or booleans with the shape of the prediction."""
        self._same_shape(prediction_shape, target)

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The side of each element, -1 or 1; raise a DataError unless the labels are 0 and 1, or -1 and 1."""
        wrong = ~np.isin(target, (-1, 0, 1))
        if wrong.any() or (0 in target and -1 in target):
            received = target[wrong][0] if wrong.any() else "both -1 and 0"
            raise DataError("a label is neither yes nor no", where="Hinge", expected="0 and 1, or -1 and 1",
                            received=received, remedy="Encode no as -1 and yes as 1.")  # fmt: skip
        return np.where(target > 0, np.int8(1), np.int8(-1))

    def predicted(self, prediction: npt.ArrayLike) -> Array:
        """1 for each score above 0, else 0."""
        return (float_array("Hinge", "prediction", prediction) > 0).astype(np.intp)

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each element."""
        sides = target.astype(prediction.dtype)
        losses = np.maximum(0.0, self.margin - sides * prediction)
        return losses, np.where(losses > 0, -sides, 0.0).astype(prediction.dtype, copy=False)
