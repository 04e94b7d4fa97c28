"""The natural logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Log(Layer):
    """``y = log(x)``, elementwise; -∞ at 0, NaN below. Saves its input: dy/dx = 1 / x.

    Examples
    --------
    >>> import numpy as np
    >>> Log().forward(np.array([[1.0, 2.0]])).round(4)
    array([[0.    , 0.6931]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.log(x), x

    def pull(self, x: Any, error: Any) -> Any:
        return error / x
