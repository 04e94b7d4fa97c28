"""Weight decay and the Euclidean norm of the weights (Krogh & Hertz 1991, NIPS, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from graphnet.core.norms import euclidean
from graphnet.regularizers.base import Regularizer


@dataclass
class L2_Regularizer(Regularizer):
    """``calculate(w) = alpha * w`` and ``norm(w) = alpha * sqrt(sum w**2)``.

    This is the convention of this framework, and ``calculate`` is not the gradient of ``norm``: ``alpha * w`` is the
    gradient of ``alpha / 2 * sum w**2``, while the norm that is added to the loss is a root without the factor one
    half. A numeric derivative of the reported loss therefore differs from the step.

    Later editions of the exercise (2019 and after) use ``norm(w) = alpha * sum w**2`` without the root, and the same
    ``calculate``; a class with that norm is ``class Squares(L2_Regularizer)`` with
    ``norm = lambda self, w: self.alpha * float(np.sum(np.square(w)))``.

    Parameters
    ----------
    alpha : float, at least 0

    Examples
    --------
    >>> L2_Regularizer(0.5).calculate([3.0, -4.0])
    array([ 1.5, -2. ])
    >>> L2_Regularizer(0.5).norm([3.0, -4.0])
    2.5
    """

    elementwise: ClassVar[bool] = True

    def calculate(self, weights: npt.ArrayLike) -> Any:
        """``alpha * w``: the shape and the float dtype of ``weights``; a scalar for a scalar."""
        return self.alpha * self._weights(weights)

    def norm(self, weights: npt.ArrayLike) -> float:
        """``alpha * sqrt(sum w**2)``, in float64; no square overflows or vanishes."""
        return self.alpha * euclidean([self._double(weights)])
