"""The square root."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Sqrt(Layer):
    """``y = √x``, elementwise; NaN below 0. Saves its output: dy/dx = 1 / (2 y), infinite at 0.

    Examples
    --------
    >>> import numpy as np
    >>> Sqrt().forward(np.array([[4.0, 2.0]])).round(4)
    array([[2.    , 1.4142]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.sqrt(x)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * (0.5 / y)
