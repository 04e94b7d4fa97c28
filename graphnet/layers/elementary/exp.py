"""The exponential function."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Exp(Layer):
    """``y = exp(x)``, elementwise; range (0, ∞); infinite from x = 709.8 on (float32: 88.8). Saves its output.

    Examples
    --------
    >>> import numpy as np
    >>> Exp().forward(np.array([[0.0, 1.0]])).round(4)
    array([[1.    , 2.7183]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.exp(x)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * y
