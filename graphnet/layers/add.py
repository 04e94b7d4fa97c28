"""The sum of values."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.unbroadcast import unbroadcast


class Add(Layer):
    """``y = x_1 + x_2 + …``, elementwise; shapes broadcast by numpy's rule.

    Raises
    ------
    ShapeError
        If the shapes cannot be broadcast.
    """

    def infer(self, *inputs: Shape) -> Shape:
        return broadcast(inputs)

    def apply(self, *inputs: Any) -> tuple[Any, Any]:
        total = inputs[0] + inputs[1] if len(inputs) > 1 else inputs[0]
        for x in inputs[2:]:
            total = total + x
        return total, [x.shape for x in inputs]

    def pull(self, shapes: Any, error: Any) -> Any:
        return tuple(unbroadcast(error, shape) for shape in shapes)
