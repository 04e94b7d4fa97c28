"""The logarithm of the logistic function."""

from typing import Any

import numpy as np

from graphnet import Layer


class LogSigmoid(Layer):
    """``y = log σ(x) = -log(1 + exp(-x))``, elementwise; range (-∞, 0).

    The logarithm of a gate: products of gates become sums of these (Beck et al. 2024, arXiv:2405.04517). Computed as
    ``min(x, 0) - log1p(exp(-|x|))``, which neither overflows nor loses small values. Saves its activation:
    dy/dx = σ(-x) = 1 - exp(y), computed by expm1. Both have full relative precision for every x.

    Examples
    --------
    >>> import numpy as np
    >>> LogSigmoid().forward(np.array([[0.0, -100.0]])).round(4)
    array([[  -0.6931, -100.    ]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * -np.expm1(y)
