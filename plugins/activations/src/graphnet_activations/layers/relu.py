"""The rectifier."""

from typing import Any

import numpy as np

from graphnet import Layer


class ReLU(Layer):
    """``y = max(x, 0)``, elementwise; range [0, ∞) (Nair & Hinton 2010, ICML).

    Saves its activation for ``backward``: dy/dx is 1 where y > 0, else 0 (also at x = 0). NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> relu = ReLU()
    >>> relu.forward(np.array([[-2.0, 0.0, 3.0]])), relu.backward(np.array([[5.0, 5.0, 5.0]]))
    (array([[0., 0., 3.]]), array([[0., 0., 5.]]))
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.maximum(x, 0.0)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * (y > 0.0)  # np.where is many times slower on an irregular mask
