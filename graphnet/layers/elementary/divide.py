"""The quotient of two values."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.unbroadcast import unbroadcast


class Divide(Layer):
    """``y = a / b``, elementwise; shapes broadcast by numpy's rule. Infinite or NaN where b is 0.

    Raises
    ------
    ShapeError
        If the shapes cannot be broadcast.
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        return broadcast([a, b])

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        y = a / b
        return y, (y, b, a.shape)

    def pull(self, saved: Any, error: Any) -> Any:
        y, b, shape = saved
        share = error / b
        return unbroadcast(share, shape), unbroadcast(-(share * y), b.shape)
