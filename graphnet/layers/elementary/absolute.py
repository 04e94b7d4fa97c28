"""The absolute value."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer


class Absolute(Layer):
    """``y = |x|``, elementwise; range [0, ∞). The error at 0 is 0.

    Examples
    --------
    >>> import numpy as np
    >>> Absolute().forward(np.array([[-2.0, 3.0]])).round(4)
    array([[2., 3.]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.abs(x), x

    def pull(self, x: Any, error: Any) -> Any:
        return error * np.sign(x)
