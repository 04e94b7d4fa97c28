"""The larger of two values."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.unbroadcast import unbroadcast


class Maximum(Layer):
    """``y = max(a, b)``, elementwise; shapes broadcast by numpy's rule; NaN if either is NaN.

    Where a and b are equal, a gets the error.

    Raises
    ------
    ShapeError
        If the shapes cannot be broadcast.
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        return broadcast([a, b])

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        return np.maximum(a, b), (a, b)

    def pull(self, saved: Any, error: Any) -> Any:
        a, b = saved
        chosen = a >= b
        first, second = np.where(chosen, error, 0.0), np.where(chosen, 0.0, error)
        return unbroadcast(first, a.shape), unbroadcast(second, b.shape)
