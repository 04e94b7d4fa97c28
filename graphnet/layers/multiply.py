"""The product of values."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.broadcasting import broadcast
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.unbroadcast import unbroadcast


class Multiply(Layer):
    """``y = x_1 · x_2 · …``, elementwise; shapes broadcast by numpy's rule.

    Raises
    ------
    ShapeError
        If the shapes cannot be broadcast.
    """

    def infer(self, *inputs: Shape) -> Shape:
        return broadcast(inputs)

    def apply(self, *inputs: Any) -> tuple[Any, Any]:
        product = inputs[0]
        for x in inputs[1:]:
            product = product * x
        return product, inputs

    def pull(self, inputs: Any, error: Any) -> Any:
        errors = []
        for i, x in enumerate(inputs):
            own = error
            for other in (*inputs[:i], *inputs[i + 1 :]):
                own = own * other
            errors.append(unbroadcast(own, x.shape))
        return tuple(errors)
