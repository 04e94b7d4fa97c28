"""The cosine."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Cos(Layer):
    """``y = cos(x)``, elementwise; x in radians; range [-1, 1].

    Examples
    --------
    >>> import numpy as np
    >>> Cos().forward(np.array([[0.0, 1.0]])).round(4)
    array([[1.    , 0.5403]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.cos(x), x

    def pull(self, x: Any, error: Any) -> Any:
        return error * -np.sin(x)
