"""The sigmoid linear unit."""

from typing import Any

import numpy as np

from graphnet import Layer

#: Beyond this exp(-|x|) is 0 in float64; clipping x here avoids the product of infinity and 0.
SATURATED = 1000.0


class SiLU(Layer):
    """``y = x · σ(x) = x / (1 + exp(-x))``, elementwise; range [-0.2785, ∞) (Elfwing, Uchibe & Doya 2018, equation 4).

    Also known as swish. dy/dx = σ(x) + y σ(-x). Only ``-|x|`` is exponentiated, so nothing overflows, and half of it
    where x < 0, so that ``x exp(x)`` keeps its relative precision where ``exp(x)`` is subnormal. y is -0 at -∞.

    Examples
    --------
    >>> import numpy as np
    >>> SiLU().forward(np.array([[0.0, 1.0, 100.0]])).round(4)
    array([[  0.    ,   0.7311, 100.    ]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        root = np.exp(-0.5 * np.abs(x))
        sides = 1.0 + root * root
        up = np.maximum(root, x >= 0.0)  # a power is at most 1, and x >= 0 is 1 where true
        down = np.maximum(root, x < 0.0)
        y = np.maximum(x, -SATURATED) * up * up / sides
        return y, (y, up * up / sides, down * down / sides)

    def pull(self, saved: Any, error: Any) -> Any:
        y, s, rest = saved
        return error * (s + np.minimum(y, SATURATED) * rest)
