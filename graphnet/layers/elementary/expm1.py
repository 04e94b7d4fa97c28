"""The exponential function minus 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Expm1(Layer):
    """``y = exp(x) - 1``, elementwise, without the loss of digits near 0; range (-1, ∞). Saves its output.

    Examples
    --------
    >>> import numpy as np
    >>> Expm1().forward(np.array([[0.0, 1.0]])).round(4)
    array([[0.    , 1.7183]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.expm1(x)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * (y + 1.0)
