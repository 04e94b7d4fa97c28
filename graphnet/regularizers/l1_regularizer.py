"""The sum of absolute weights (Tibshirani 1996, "Regression shrinkage and selection via the lasso", JRSS B 58)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.regularizers.base import Regularizer


@dataclass
class L1_Regularizer(Regularizer):
    """``norm(w) = alpha * sum |w|`` and its subgradient ``calculate(w) = alpha * sign(w)``, 0 at 0.

    Parameters
    ----------
    alpha : float, at least 0

    Examples
    --------
    >>> L1_Regularizer(0.5).calculate([-3.0, 0.0, 2.0])
    array([-0.5,  0. ,  0.5])
    >>> L1_Regularizer(0.5).norm([-3.0, 0.0, 2.0])
    2.5
    """

    elementwise: ClassVar[bool] = True

    def calculate(self, weights: npt.ArrayLike) -> Any:
        """``alpha * sign(w)``: the shape and the float dtype of ``weights``; a scalar for a scalar."""
        return self.alpha * np.sign(self._weights(weights))

    def norm(self, weights: npt.ArrayLike) -> float:
        """``alpha * sum |w|``, summed in float64."""
        return self.alpha * float(np.sum(np.abs(self._double(weights))))
