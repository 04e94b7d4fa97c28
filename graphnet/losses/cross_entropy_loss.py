"""Cross entropy of probabilities, as a loss and as a loss layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import DataError, StateError
from graphnet.losses.base import Loss
from graphnet.losses.cross_entropy import CrossEntropy

Array = npt.NDArray[Any]

#: Added to a probability before its logarithm is taken, so that the loss of a probability of 0 is finite (about 36).
EPSILON = float(np.finfo(np.float64).eps)
#: How far a probability may lie outside [0, 1], as in a numeric derivative.
SLACK = 1e-3


@dataclass(frozen=True)
class CrossEntropyLoss(Loss):
    """``-sum_k q_k log(p_k + epsilon)`` for each row of *probabilities* ``p``, such as the output of a SoftMax layer.

    Its error is ``-q / (p + epsilon)``, with epsilon = 2.2e-16. This is the loss layer of later editions of the
    exercise. For logits use :class:`CrossEntropy` without a SoftMax layer: it is exact for any logits, while a
    probability that has become 0 or 1 has lost them.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Sum over all rows, as in the exercise, or their mean.

    Notes
    -----
    Targets are class indices or one-hot, as those of :class:`CrossEntropy`.

    Examples
    --------
    >>> loss = CrossEntropyLoss()
    >>> labels = np.array([[0, 1], [1, 0]])
    >>> round(loss.forward(np.array([[0.5, 0.5], [0.75, 0.25]]), labels), 6)
    0.980829
    >>> loss.backward(labels).round(6) + 0.0
    array([[ 0.      , -2.      ],
           [-1.333333,  0.      ]])
    """

    reduction: str = "sum"
    _last: list[Array] = field(default_factory=list, init=False, repr=False, compare=False)

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """As that of CrossEntropy."""
        CrossEntropy().check_target(prediction_shape, target)

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """As that of CrossEntropy."""
        return CrossEntropy().clean_target(prediction_shape, target)

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each row.

        Raises
        ------
        DataError
            If a prediction is not a probability.
        """
        wrong = (prediction < -SLACK) | (prediction > 1 + SLACK)
        if wrong.any():
            raise DataError(
                "the prediction is not a probability",
                where="CrossEntropyLoss",
                expected="numbers in [0, 1]",
                received=float(prediction[wrong][0]),
                remedy="Append a SoftMax layer, or use losses.CrossEntropy, which takes logits.",
            )
        scores, index = prediction.reshape(-1, prediction.shape[-1]), target.reshape(-1)
        rows = np.arange(len(scores))
        raised = scores[rows, index] + EPSILON
        errors = np.zeros_like(scores)
        errors[rows, index] = -1.0 / raised
        return -np.log(raised).reshape(target.shape), errors.reshape(prediction.shape)

    def forward(self, prediction_tensor: npt.ArrayLike, label_tensor: npt.ArrayLike) -> float:
        """The loss; the prediction is kept for ``backward``.

        Raises
        ------
        ShapeError, DtypeError, DataError
            See :class:`Loss`.
        """
        loss = self.value(prediction_tensor, label_tensor)
        self._last[:] = [np.array(prediction_tensor)]
        return loss

    def backward(self, label_tensor: npt.ArrayLike) -> Array:
        """The error for the prediction of the last ``forward``.

        Raises
        ------
        StateError
            Before the first ``forward``.
        """
        if not self._last:
            raise StateError("backward before forward", where="CrossEntropyLoss", remedy="Call forward first.")
        return self.error(self._last[0], label_tensor)
