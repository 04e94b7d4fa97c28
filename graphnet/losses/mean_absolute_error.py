"""Mean absolute error (Laplace 1818)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.core.dtypes import converted
from graphnet.losses.number_loss import NumberLoss

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class MeanAbsoluteError(NumberLoss):
    """``|x - t|`` for each element; its error is the sign of ``x - t``, 0 where they are equal.

    Parameters
    ----------
    reduction : "mean" or "sum"
        Mean over all valid elements, or their sum.

    Notes
    -----
    Targets and masks are as for :class:`~graphnet.losses.MeanSquaredError`. The value has the unit of the target.

    Examples
    --------
    >>> MeanAbsoluteError().value_and_error([[1.0, 5.0]], [[3.0, 3.0]])
    (2.0, array([[-0.5,  0.5]]))
    """

    abbreviation: ClassVar[str] = "mae"

    def rule(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """One loss for each element."""
        difference = prediction - converted(target, prediction.dtype, f"{type(self).__name__}, target")
        return np.abs(difference), np.sign(difference)
