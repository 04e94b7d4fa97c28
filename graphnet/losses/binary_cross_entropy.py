"""Cross entropy of independent yes-or-no outputs (Cox 1958, JRSS B 20)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import float_array, number
from graphnet.core.errors import DataError
from graphnet.losses.base import Loss
from graphnet.losses.softmax import check_class_count, checked_class_weights, checked_ignore_index, sigmoid

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """``-p t log s - (1 - t) log(1 - s)`` for each *logit* ``x``, with ``s = sigmoid(x)``.

    Its error is ``s - t``, where ``p`` is 1.

    The prediction must not go through a sigmoid first. The loss is computed as ``max(x, 0) - x t + log(1 +
    exp(-|x|))``: finite logits neither overflow nor warn, and small errors keep their relative precision.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid elements, or their sum.
    ignore_index : int, optional, keyword only
        Elements whose label is this number do not count, as if they were masked: -1, for example.
    positive_weight : float or sequence of float, optional, keyword only
        The weight ``p`` of the positive labels, at least 0: one for all elements, or one for each column of the last
        axis. The mean is still divided by the number of elements (``pos_weight`` of torch).

    Notes
    -----
    The target has the shape of the prediction, one axis or more, and holds 0 and 1, booleans, or probabilities.
    ``(n,)`` fits a prediction ``(n, 1)``; nothing is broadcast. A mask may cover all axes.

    Examples
    --------
    >>> BinaryCrossEntropy().value_and_error([1e4, 0.0], [1, 1])
    (0.34657359027997264, array([ 0.  , -0.25]))
    """

    ignore_index: int | None = field(default=None, kw_only=True)
    positive_weight: float | tuple[float, ...] | None = field(default=None, kw_only=True)

    abbreviation: ClassVar[str] = "bce"
    row_axes: ClassVar[int] = 0
    task: ClassVar[str] = "labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        where, weight = "BinaryCrossEntropy", self.positive_weight
        if weight is None or np.ndim(weight):
            weight = checked_class_weights(where, "positive_weight", weight)
        else:
            weight = number(where, "positive_weight", weight, 0.0)
        object.__setattr__(self, "positive_weight", weight)
        object.__setattr__(self, "ignore_index", checked_ignore_index(where, self.ignore_index))

    def check_target(self, prediction_shape: tuple[int, ...], target: Array) -> None:
        """Check for numbers or booleans with the shape of the prediction."""
        self._same_shape(prediction_shape, target)
        if isinstance(self.positive_weight, tuple):
            check_class_count("BinaryCrossEntropy", "positive_weight", self.positive_weight, prediction_shape[-1])

    def ignored(self, prediction_shape: tuple[int, ...], target: Array) -> Array | None:
        """The elements whose label is ``ignore_index``."""
        if self.ignore_index is None:
            return None
        elements: Array = target == self.ignore_index
        return elements if elements.any() else None

    def clean_target(self, prediction_shape: tuple[int, ...], target: Array) -> Array:
        """The target as floats; raise a DataError unless they are in [0, 1]."""
        values = target.astype(np.result_type(target.dtype, np.float16), copy=False)
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            raise DataError("a label is not a probability", where=type(self).__name__, expected="a number in [0, 1]",
                            received=values[wrong][0], remedy="Encode no as 0 and yes as 1. To leave elements with "
                            "another number out, such as -1, set ignore_index.")  # fmt: skip
        return values

    @property
    def per_column(self) -> bool:
        """Whether the columns have different weights."""
        return isinstance(self.positive_weight, tuple)

    def predicted(self, prediction: npt.ArrayLike) -> Array:
        """1 for each logit above 0, else 0."""
        return (float_array("BinaryCrossEntropy", "prediction", prediction) > 0).astype(np.intp)

    def probabilities(self, prediction: npt.ArrayLike) -> Array:
        """``sigmoid(x)`` of each logit."""
        return sigmoid(float_array("BinaryCrossEntropy", "prediction", prediction))

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each element; no exponential exceeds 1."""
        labels = target.astype(prediction.dtype, copy=False)
        power = np.exp(-np.abs(prediction))
        logs = np.log1p(power)
        high, low = 1.0 / (1.0 + power), power / (1.0 + power)
        positive = prediction >= 0
        yes, no = np.where(positive, high, low), np.where(positive, low, high)
        if self.positive_weight is None:
            losses = np.maximum(prediction, 0.0) - prediction * labels + logs
            return losses, (1.0 - labels) * yes - labels * no
        weight = labels * np.asarray(self.positive_weight, prediction.dtype)
        # -log s = max(-x, 0) + logs, and -log(1 - s) = max(x, 0) + logs
        losses = weight * (np.maximum(-prediction, 0.0) + logs) + (1.0 - labels) * (np.maximum(prediction, 0.0) + logs)
        return losses, (1.0 - labels) * yes - weight * no
