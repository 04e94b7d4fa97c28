"""The natural logarithm of 1 + x."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Log1p(Layer):
    """``y = log(1 + x)``, elementwise, without the loss of digits near 0; -∞ at -1, NaN below.

    Examples
    --------
    >>> import numpy as np
    >>> Log1p().forward(np.array([[0.0, 1.0]])).round(4)
    array([[0.    , 0.6931]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.log1p(x), x

    def pull(self, x: Any, error: Any) -> Any:
        return error / (1.0 + x)
