"""Softmax cross entropy (Bridle 1990, NIPS 2; label smoothing: Szegedy et al. 2016, CVPR, section 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import number
from graphnet.core.errors import ShapeError
from graphnet.losses.base import Loss
from graphnet.losses.classes import check_kind, clean_indices, clean_one_hot

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """``-sum_k q_k log softmax(x)_k`` for each row of *logits* ``x``; its error is ``softmax(x) - q``.

    ``q`` is the one-hot target, or ``(1 - s) one_hot + s / classes`` with label smoothing ``s``. The
    prediction must not go through a softmax first. Finite logits neither overflow nor warn; a logit of minus infinity
    excludes its class.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid rows (every axis but the last), or their sum.
    label_smoothing : float in [0, 1), keyword only

    Notes
    -----
    The prediction is ``(batch, ..., classes)`` with two classes or more. The target is either class indices
    ``(batch, ...)``, integers from 0 to classes - 1, or one-hot of the prediction's shape.

    Examples
    --------
    >>> loss = CrossEntropy(reduction="sum")
    >>> round(loss.value([[0.0, 0.0], [0.0, 0.0]], [0, 1]), 6)
    1.386294
    >>> loss.error([[0.0, 0.0]], [[0, 1]])
    array([[ 0.5, -0.5]])
    """

    label_smoothing: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        share = number("CrossEntropy", "label_smoothing", self.label_smoothing, 0.0, 1.0, below=True)
        object.__setattr__(self, "label_smoothing", share)

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for class indices over all axes but the last, or one-hot rows over all axes."""
        if prediction_shape[-1] < 2:
            raise ShapeError("at least two classes are needed", where="CrossEntropy",
                             expected="two logits or more on the last axis", received=f"shape {prediction_shape}",
                             remedy="Use BinaryCrossEntropy for one logit.")  # fmt: skip
        if target.shape not in (prediction_shape[:-1], prediction_shape):
            raise ShapeError("the shapes of target and prediction do not match", where="CrossEntropy",
                             expected=f"class indices {prediction_shape[:-1]} or one-hot {prediction_shape}",
                             received=target.shape, remedy="Reshape the target.")  # fmt: skip

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """Class indices, from indices or one-hot rows."""
        indices = target.ndim < len(prediction_shape)
        check_kind("CrossEntropy", target, indices=indices)
        if indices:
            return clean_indices("CrossEntropy", target, prediction_shape[-1])
        return clean_one_hot("CrossEntropy", target)

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each row; logits are shifted by the maximum of the row, so that no exponential exceeds 1.

        The exponential of the largest logit is 1. The sum of the others is kept separate from it, so that losses near 0
        and the error of a class with a probability near 1 have full relative precision.
        """
        classes = prediction.shape[-1]
        scores, index = np.ascontiguousarray(prediction).reshape(-1, classes), target.reshape(-1)
        first = np.arange(0, scores.size, classes)  # of each row in the flat array
        top = scores.argmax(axis=1)
        largest, own = first + top, first + index
        shifted = scores - scores.take(largest)[:, np.newaxis]
        powers = np.exp(shifted)
        others = powers.copy()
        others.put(largest, 0.0)
        rest = np.add.reduce(others, axis=1, keepdims=True)
        total, logs = 1.0 + rest, shifted - np.log1p(rest)
        losses = -logs.take(own)
        missing = np.where(index == top, rest[:, 0], total[:, 0] - powers.take(own)) / total[:, 0]
        errors = powers / total
        share = self.label_smoothing
        if share:
            losses = (1.0 - share) * losses - share * (np.add.reduce(logs, axis=1) / classes)
            errors -= share / classes
        errors.put(own, share - share / classes - missing)
        return losses.reshape(target.shape), errors.reshape(prediction.shape)
