"""The logistic function."""

from typing import Any

import numpy as np

from graphnet import Layer


class Sigmoid(Layer):
    """``y = 1 / (1 + exp(-x)) = ½ + ½ tanh(x / 2)``, elementwise; range (0, 1), dimensionless.

    The second form neither overflows nor warns anywhere. Keeps its activation, not its input: dy/dx = y (1 - y).

    Examples
    --------
    >>> import numpy as np
    >>> Sigmoid().forward(np.array([[-1e4, 0.0, 1e4]]))
    array([[0. , 0.5, 1. ]])
    """

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = 0.5 + 0.5 * np.tanh(0.5 * x)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * (y * (1.0 - y))
