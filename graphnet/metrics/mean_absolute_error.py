"""Mean absolute error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.losses.base import Loss
from graphnet.losses.mean_squared_error import MeanSquaredError
from graphnet.metrics.base import Metric

Array = npt.NDArray[Any]


@dataclass(eq=False)
class MeanAbsoluteError(Metric):
    """``mean |x - t|`` over all valid elements, in the unit of the target; shapes as in ``MeanSquaredError``.

    Examples
    --------
    >>> error = MeanAbsoluteError()
    >>> error.update([1.0, 5.0], [0.0, 2.0])
    >>> error.result()
    2.0
    """

    abbreviation: ClassVar[str] = "mae"
    name: ClassVar[str] = "mean_absolute_error"

    def loss(self) -> Loss:
        """The loss that takes the same targets."""
        return MeanSquaredError()

    def score(self, prediction: Array, target: Array) -> Array:
        """The absolute difference, in float64."""
        return np.abs(prediction.astype(np.float64) - target.astype(np.float64))
