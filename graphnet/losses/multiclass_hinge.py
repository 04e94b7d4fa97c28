"""Hinge loss of one class out of several (Crammer & Singer 2001, JMLR 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import number
from graphnet.core.errors import DataError
from graphnet.losses.class_loss import ClassLoss

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class MulticlassHinge(ClassLoss):
    """``max(0, margin + max_{k != y} x_k - x_y)`` for each row of scores ``x`` and its class ``y``.

    Its error is 1 at the best other class and -1 at ``y``, if the loss of the row is above 0. It is the ``hinge_loss``
    of scikit-learn for several classes.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid rows (every axis but the last), or their sum.
    ignore_index : int, optional, keyword only
        Rows whose class index is this number do not count.
    margin : float above 0, keyword only

    Notes
    -----
    The target is class indices or one-hot, as for :class:`~graphnet.losses.CrossEntropy`.

    Examples
    --------
    >>> MulticlassHinge().value_and_error([[1.0, 0.5, -1.0]], [0])
    (0.5, array([[-1.,  1.,  0.]]))
    """

    margin: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "margin", number("MulticlassHinge", "margin", self.margin, 0.0, above=True))

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """Class indices, from indices or one-hot rows."""
        indices = super().clean_target(prediction_shape, target)
        if indices.dtype.kind == "f":
            raise DataError("a one-hot row is not one-hot", where="MulticlassHinge",
                            expected="one 1 and zeros otherwise", received="probabilities",
                            remedy="Use CrossEntropy for probabilities.")  # fmt: skip
        return indices

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each row."""
        scores, index = prediction.reshape(-1, prediction.shape[-1]), target.reshape(-1)
        rows = np.arange(len(scores))
        others = scores.copy()
        others[rows, index] = -np.inf
        best = others.argmax(axis=1)
        losses = np.maximum(0.0, self.margin + scores[rows, best] - scores[rows, index])
        errors = np.zeros_like(scores)
        errors[rows, best], errors[rows, index] = losses > 0, -(losses > 0).astype(scores.dtype)
        return losses.reshape(target.shape), errors.reshape(prediction.shape)
