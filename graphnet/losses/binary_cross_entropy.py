"""Cross entropy of independent yes-or-no outputs (Cox 1958, JRSS B 20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.errors import DataError
from graphnet.losses.base import Loss

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """``-t log s - (1 - t) log(1 - s)`` with ``s = sigmoid(x)`` for each *logit* ``x``; its error is ``s - t``.

    The prediction must not go through a sigmoid first. The loss is computed as ``max(x, 0) - x t + log(1 +
    exp(-|x|))``: finite logits neither overflow nor warn, and small errors keep their relative precision.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid elements, or their sum.

    Notes
    -----
    The target has the shape of the prediction, one axis or more, and holds 0 and 1, booleans, or probabilities; it is
    not broadcast. A mask may cover all axes.

    Examples
    --------
    >>> BinaryCrossEntropy().value_and_error([1e4, 0.0], [1, 1])
    (0.34657359027997264, array([ 0.  , -0.25]))
    """

    row_axes: ClassVar[int] = 0

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for numbers or booleans with the shape of the prediction."""
        self._same_shape(prediction_shape, target)

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The target as floats; raise a DataError unless they are in [0, 1]."""
        values = target.astype(np.result_type(target.dtype, np.float16), copy=False)
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            raise DataError("a label is not a probability", where=type(self).__name__, expected="a number in [0, 1]",
                            received=values[wrong][0], remedy="Encode no as 0 and yes as 1.")  # fmt: skip
        return values

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each element; no exponential exceeds 1."""
        labels = target.astype(prediction.dtype, copy=False)
        power = np.exp(-np.abs(prediction))
        losses = np.maximum(prediction, 0.0) - prediction * labels + np.log1p(power)
        high, low = 1.0 / (1.0 + power), power / (1.0 + power)
        positive = prediction >= 0
        yes, no = np.where(positive, high, low), np.where(positive, low, high)
        return losses, (1.0 - labels) * yes - labels * no
