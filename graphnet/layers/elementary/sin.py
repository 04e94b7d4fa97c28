"""The sine."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Sin(Layer):
    """``y = sin(x)``, elementwise; x in radians; range [-1, 1].

    Examples
    --------
    >>> import numpy as np
    >>> Sin().forward(np.array([[0.0, 1.0]])).round(4)
    array([[0.    , 0.8415]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.sin(x), x

    def pull(self, x: Any, error: Any) -> Any:
        return error * np.cos(x)
