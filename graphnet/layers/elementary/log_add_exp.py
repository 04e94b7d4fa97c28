"""The logarithm of a sum of exponentials of two values."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.unbroadcast import unbroadcast


class LogAddExp(Layer):
    """``y = log(exp(a) + exp(b))``, elementwise, without overflow; shapes broadcast by numpy's rule.

    A smooth maximum; the sum of two numbers that are given by their logarithms.

    Raises
    ------
    ShapeError
        If the shapes cannot be broadcast.
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        return broadcast([a, b])

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        y = np.logaddexp(a, b)
        return y, (a, b, y)

    def pull(self, saved: Any, error: Any) -> Any:
        a, b, y = saved
        return unbroadcast(error * np.exp(a - y), a.shape), unbroadcast(error * np.exp(b - y), b.shape)
