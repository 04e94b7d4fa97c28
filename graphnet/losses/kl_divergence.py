"""Divergence of predicted from given probabilities (Kullback & Leibler 1951, Annals of Mathematical Statistics 22)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array
from graphnet.core.errors import ShapeError
from graphnet.losses.base import Loss
from graphnet.losses.classes import check_kind, clean_rows
from graphnet.losses.softmax import log_softmax

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class KLDivergence(Loss):
    """``sum_k q_k (log q_k - log softmax(x)_k)`` for each row of *logits* ``x``; its error is ``softmax(x) - q``.

    It is :class:`~graphnet.losses.CrossEntropy` less the entropy of the target, so it is 0 for a perfect prediction.
    ``0 log 0`` is 0. The prediction must not go through a softmax first.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid rows (every axis but the last), as torch's ``batchmean``; or their sum.

    Notes
    -----
    The target has the shape of the prediction, and its rows are probabilities.

    Examples
    --------
    >>> KLDivergence().value_and_error([[0.0, 0.0]], [[0.5, 0.5]])
    (0.0, array([[0., 0.]]))
    """

    task: ClassVar[str] = "classes"

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for the shape of the prediction."""
        if target.shape != prediction_shape:
            raise ShapeError("the targets are not rows of probabilities", where="KLDivergence",
                             expected=prediction_shape, received=target.shape,
                             remedy="Use CrossEntropy for class indices.")  # fmt: skip

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The rows as floats; raise a DataError unless they are probabilities."""
        check_kind("KLDivergence", target, indices=False)
        return clean_rows("KLDivergence", target, soft=True)

    def predicted(self, prediction: npt.ArrayLike) -> Array:
        """The index of the largest logit of each row, the first of equal ones."""
        return np.asarray(np.argmax(float_array("KLDivergence", "prediction", prediction), axis=-1))

    def probabilities(self, prediction: npt.ArrayLike) -> Array:
        """``softmax(x)`` of each row."""
        return log_softmax(float_array("KLDivergence", "prediction", prediction))[1]

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each row."""
        q = target.astype(prediction.dtype, copy=False)
        logs, shares = log_softmax(prediction)
        own = np.log(np.where(q > 0, q, 1.0))
        losses = np.where(q > 0, q * (own - logs), 0.0).sum(axis=-1)
        return losses, shares * q.sum(axis=-1, keepdims=True) - q
