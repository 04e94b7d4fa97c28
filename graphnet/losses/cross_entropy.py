"""Softmax cross entropy (Bridle 1990, NIPS 2; label smoothing: Szegedy et al. 2016, CVPR, section 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array, number
from graphnet.core.operations import Operation, Operations, offered
from graphnet.losses.class_loss import ClassLoss
from graphnet.losses.classes import check_kind, clean_rows
from graphnet.losses.softmax import check_class_count, checked_class_weights, log_softmax

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CrossEntropy(ClassLoss):
    """``-sum_k w_k q_k log softmax(x)_k`` for each row of *logits* ``x``.

    Where ``w`` is 1, its error is ``softmax(x) - q``. ``q`` is the one-hot target or a row of probabilities, or
    ``(1 - s) q + s / classes`` with label smoothing ``s``; ``w`` are the weights of the classes, or 1. The prediction
    must not go through a softmax first. Finite logits neither overflow nor warn; a logit of minus infinity excludes its
    class.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid rows (every axis but the last), or their sum.
    ignore_index : int, optional, keyword only
        Rows whose class index is this number do not count, as if they were masked: -1, for example.
    label_smoothing : float in [0, 1), keyword only
    class_weight : sequence of float, optional, keyword only
        One weight of at least 0 for each class. For class indices the mean is divided by the sum of the weights of the
        targets; for rows of the prediction's shape, by the number of rows (both as in torch).

    Notes
    -----
    The prediction is ``(batch, ..., classes)`` with two classes or more. The target is either class indices
    ``(batch, ...)`` or ``(batch, ..., 1)``, whole numbers from 0 to classes - 1; or rows of the prediction's shape,
    one-hot or of probabilities. A mean over rows that all have weight 0 is 0.

    Examples
    --------
    >>> loss = CrossEntropy(reduction="sum")
    >>> round(loss.value([[0.0, 0.0], [0.0, 0.0]], [0, 1]), 6)
    1.386294
    >>> loss.error([[0.0, 0.0]], [[0, 1]])
    array([[ 0.5, -0.5]])
    >>> loss.error([[0.0, 0.0]], [[0.25, 0.75]])
    array([[ 0.25, -0.25]])
    """

    label_smoothing: float = field(default=0.0, kw_only=True)
    class_weight: tuple[float, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        share = number("CrossEntropy", "label_smoothing", self.label_smoothing, 0.0, 1.0, below=True)
        object.__setattr__(self, "label_smoothing", share)
        weights = checked_class_weights("CrossEntropy", "class_weight", self.class_weight)
        object.__setattr__(self, "class_weight", weights)

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for class indices over all axes but the last, or rows over all axes; and the number of weights."""
        super().check_target(prediction_shape, target)
        check_class_count("CrossEntropy", "class_weight", self.class_weight, prediction_shape[-1])

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """Class indices; rows that are not all one-hot, or whose classes have weights, as floats."""
        if target.ndim == len(prediction_shape) and self.class_weight is not None:
            check_kind("CrossEntropy", target, indices=False)
            return clean_rows("CrossEntropy", target, soft=True)
        return super().clean_target(prediction_shape, target)

    @property
    def weighted(self) -> bool:
        """Whether the classes have weights."""
        return self.class_weight is not None

    def target_weights(self, target: Array) -> Array | None:
        """The weight of each row's class; None without weights, and for rows of probabilities."""
        if self.class_weight is None or target.dtype.kind == "f":
            return None
        return np.asarray(self.class_weight)[target]

    def probabilities(self, prediction: npt.ArrayLike) -> Array:
        """``softmax(x)`` of each row."""
        return log_softmax(float_array("CrossEntropy", "prediction", prediction))[1]

    def _weighted_rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """The rule for rows of probabilities, and for classes with weights."""
        classes, dtype = prediction.shape[-1], prediction.dtype
        logs, shares = log_softmax(prediction)
        q = target.astype(dtype, copy=False) if target.dtype.kind == "f" else np.eye(classes, dtype=dtype)[target]
        if self.label_smoothing:
            q = (1.0 - self.label_smoothing) * q + self.label_smoothing / classes
        if self.class_weight is not None:
            q = q * np.asarray(self.class_weight, dtype)
        losses = -np.where(q == 0.0, 0.0, q * logs).sum(axis=-1)  # 0 log 0 is 0
        return losses, shares * q.sum(axis=-1, keepdims=True) - q

    def computed(self, prediction: Array, target: Array, operations: Operations | None) -> tuple[Array, Array]:
        """By the backend, for class indices without weights."""
        plain = target.dtype.kind != "f" and self.class_weight is None and type(self).rule is CrossEntropy.rule
        if operations and plain:
            scores = prediction.reshape(-1, prediction.shape[-1])
            arguments = scores, target.reshape(-1), self.label_smoothing
            found = offered(operations, Operation.CROSS_ENTROPY, *arguments)
            if found is not None:
                return found[0].reshape(target.shape), found[1].reshape(prediction.shape)
        return self.rule(prediction, target)

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each row; logits are shifted by the maximum of the row, so that no exponential exceeds 1.

        For class indices without weights the sum of the other exponentials is kept separate from that of the largest
        logit, which is 1, so that losses near 0 and the error of a class with a probability near 1 have full relative
        precision.
        """
        if target.dtype.kind == "f" or self.class_weight is not None:
            return self._weighted_rule(prediction, target)
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
