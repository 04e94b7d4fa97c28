"""The share of rows whose class is among the k largest scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import integer
from graphnet.losses.base import Loss
from graphnet.losses.cross_entropy import CrossEntropy
from graphnet.metrics.base import Metric

Array = npt.NDArray[Any]


@dataclass(eq=False)
class TopKAccuracy(Metric):
    """The share of rows whose class is among those of the ``k`` largest scores, from 0 to 1.

    Parameters
    ----------
    k : int, at least 1
        With the number of classes or more, the result is 1.

    Notes
    -----
    Predictions and targets are as for :class:`~graphnet.losses.CrossEntropy`. Among equal scores those of the first
    classes count as larger, so that ``k=1`` is :class:`Accuracy` (scikit-learn chooses the last ones). A row with NaN
    counts as incorrect.

    Examples
    --------
    >>> metric = TopKAccuracy(2)
    >>> metric.update([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]], [1, 0])
    >>> metric.result()
    0.5
    """

    k: int = 5

    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.k = integer("TopKAccuracy", "k", self.k, 1)

    @property
    def name(self) -> str:  # type: ignore[override]
        """``top_5_accuracy``, for example."""
        return f"top_{self.k}_accuracy"

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        return CrossEntropy()

    def score(self, prediction: Array, target: Array) -> Array:
        """True at the rows whose class has fewer than ``k`` better ones."""
        classes = prediction.shape[-1]
        scores = prediction.reshape(-1, classes)
        index = target.reshape(-1) if target.ndim < prediction.ndim else target.reshape(-1, classes).argmax(axis=1)
        index = index.astype(np.intp)
        own = scores[np.arange(len(scores)), index][:, None]
        better = (scores > own) | ((scores == own) & (np.arange(classes) < index[:, None]))
        return (better.sum(axis=1) < self.k) & ~np.isnan(scores).any(axis=1)
