"""Root of the mean squared error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.losses.base import Loss
from graphnet.losses.mean_squared_error import MeanSquaredError
from graphnet.metrics.base import Metric

Array = npt.NDArray[Any]


@dataclass(eq=False)
class RootMeanSquaredError(Metric):
    """``sqrt(mean (x - t)**2)`` over all valid elements, in the unit of the target; the root is taken once, at the end.

    Examples
    --------
    >>> error = RootMeanSquaredError()
    >>> error.update([3.0], [0.0])
    >>> error.update([4.0], [0.0])
    >>> round(error.result() ** 2, 6)
    12.5
    """

    abbreviation: ClassVar[str] = "rmse"
    name: ClassVar[str] = "root_mean_squared_error"

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        return MeanSquaredError()

    def score(self, prediction: Array, target: Array) -> Array:
        """The squared difference, in float64."""
        return np.square(prediction.astype(np.float64) - target.astype(np.float64))

    def result(self) -> float:
        """The root of the mean over all batches; StateError before the first batch."""
        return math.sqrt(super().result())
