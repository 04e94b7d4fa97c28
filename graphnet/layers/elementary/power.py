"""Powers whose exponent is a value."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.unbroadcast import unbroadcast


class Power(Layer):
    """``y = a ** b``, elementwise; shapes broadcast by numpy's rule.

    NaN where a is negative and b is not a whole number. dy/db = y log(a) is defined for positive a; elsewhere the error
    for b is 0.

    Raises
    ------
    ShapeError
        If the shapes cannot be broadcast.
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        return broadcast([a, b])

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        y = np.power(a, b)
        return y, (a, b, y)

    def pull(self, saved: Any, error: Any) -> Any:
        a, b, y = saved
        base = error * (b * np.power(a, b - 1.0))
        defined = a > 0.0
        exponent = error * np.where(defined, y * np.log(np.where(defined, a, 1.0)), 0.0)
        return unbroadcast(base, a.shape), unbroadcast(exponent, b.shape)
