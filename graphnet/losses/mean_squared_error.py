"""Mean squared error (Gauss 1809, Theoria motus, section 179)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.dtypes import converted
from graphnet.losses.number_loss import NumberLoss

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class MeanSquaredError(NumberLoss):
    """``(x - t)**2`` for each element; its error is ``2 (x - t)``. There is no factor one half.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid elements, or their sum.

    Notes
    -----
    The target has the shape of the prediction, one axis or more; ``(n,)`` fits a prediction ``(n, 1)``, and nothing is
    broadcast. A mask may cover all axes. The value has the unit of the target squared.

    Examples
    --------
    >>> MeanSquaredError().value_and_error([[1.0, 5.0]], [[0.0, 3.0]])
    (2.5, array([[1., 2.]]))
    """

    abbreviation: ClassVar[str] = "mse"

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each element."""
        difference = prediction - converted(target, prediction.dtype, f"{type(self).__name__}, target")
        return np.square(difference), 2.0 * difference
