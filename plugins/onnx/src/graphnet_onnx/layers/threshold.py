"""The identity above a limit."""

from __future__ import annotations

from typing import Any

from graphnet import Layer


class Threshold(Layer):
    """``y = x`` where x is at least ``alpha``, else 0.

    Examples
    --------
    >>> import numpy as np
    >>> Threshold(1.0).forward(np.array([[0.5, 1.0, 3.0]]))
    array([[0., 1., 3.]])
    """

    alpha: float

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        return x * (x >= self.alpha), x

    def pull(self, x: Any, error: Any) -> Any:
        return error * (x >= self.alpha)
