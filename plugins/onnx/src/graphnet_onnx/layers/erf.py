"""The error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet import Layer
from graphnet_activations.normal_tail import SATURATED, scaled_tail, times_gaussian

SLOPE = 2.0 / math.sqrt(math.pi)


class Erf(Layer):
    """``y = erf(x) = 2/√π · ∫₀ˣ exp(-t²) dt``, elementwise; range [-1, 1].

    Computed in float64 as ``1 - 2 Q(√2 x)`` for x ≥ 0, with Q the upper tail of the standard normal distribution; the
    absolute error is a few 1e-16. dy/dx = 2/√π · exp(-x²).

    Examples
    --------
    >>> import numpy as np
    >>> Erf().forward(np.array([[-1.0, 0.0, 0.5]])).round(6)
    array([[-0.842701,  0.      ,  0.5205  ]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        with np.errstate(under="ignore"):
            wide = x.astype("float64")
            a = np.minimum(np.abs(wide) * math.sqrt(2.0), SATURATED)
            y = np.sign(wide) * (1.0 - 2.0 * times_gaussian(scaled_tail(a), a))
            return y.astype(x.dtype), x

    def pull(self, x: Any, error: Any) -> Any:
        with np.errstate(under="ignore"):
            return error * (SLOPE * np.exp(-x * x))
