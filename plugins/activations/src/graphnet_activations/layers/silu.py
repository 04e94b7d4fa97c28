"""The sigmoid linear unit."""

from typing import Any

import numpy as np

from graphnet import Layer


class SiLU(Layer):
    """``y = x / (1 + exp(-x))``, elementwise, also known as swish (Elfwing, Uchibe & Doya 2018, equation 4).

    With s = 1 / (1 + exp(-x)): dy/dx = s + y (1 - s). Exponentials are taken of -|x| only, so nothing overflows.

    Examples
    --------
    >>> import numpy as np
    >>> SiLU().forward(np.array([[0.0, 1.0, 100.0]])).round(4)
    array([[  0.    ,   0.7311, 100.    ]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        power = np.exp(-np.abs(x))
        s = np.maximum(power, x >= 0.0) / (1.0 + power)  # a power is at most 1, and x >= 0 is 1 where true
        y = x * s
        return y, (y, s)

    def pull(self, saved: Any, error: Any) -> Any:
        y, s = saved
        return error * (s + y * (1.0 - s))
