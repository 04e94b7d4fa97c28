"""The difference of two values."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.unbroadcast import unbroadcast


class Subtract(Layer):
    """``y = a - b``, elementwise; shapes broadcast by numpy's rule.

    Raises
    ------
    ShapeError
        If the shapes cannot be broadcast.
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        return broadcast([a, b])

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        return a - b, (a.shape, b.shape)

    def pull(self, shapes: Any, error: Any) -> Any:
        a, b = shapes
        return unbroadcast(error, a), unbroadcast(-error, b)
