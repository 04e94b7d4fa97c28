"""Root mean square layer normalization."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer, positive, require
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.layers.attributes import WeightsAttribute
from graphnet.layers.checks import finite
from graphnet.layers.sizes import last_size


class RMSNormalization(WeightsAttribute, Layer):
    """``y = g · x / √(mean(x²) + ε)`` over the last axis (Zhang & Sennrich 2019, arXiv:1910.07467, equation 4).

    Layer normalization without the mean and the bias. ``weights`` is the gain g, ``(size,)``; it starts at 1, and
    ``initialize`` resets it to 1. With further axes, such as heads, the gain is the same for all of them. Rows are
    independent of each other: the train and test phases are equal, and the layer may be used in a cell.

    Parameters
    ----------
    size : int, optional
        The size of the last axis; None: taken from the first input.
    epsilon : float, above 0
    dtype : {'float64', 'float32'}
        Of the weights.

    Raises
    ------
    ShapeError
        If the size of the last axis differs.

    Examples
    --------
    >>> import numpy as np
    >>> RMSNormalization(2).forward(np.array([[3.0, -3.0], [0.0, 2.0]])).round(4)
    array([[ 1.    , -1.    ],
           [ 0.    ,  1.4142]])
    """

    size: int | None = None
    epsilon: float = field(default=1e-6, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "size")
        require(finite(self.epsilon) and self.epsilon > 0, self, "epsilon", "a finite number above 0")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        return {"weights": Weight((last_size(self, self.size, inputs),), kind="constant", value=1.0)}

    def infer(self, x: Shape) -> Shape:
        last_size(self, self.size, (x,), known=False)
        return x if self.size is None else x.resized(-1, self.size)

    def apply(self, x: Any, *, weights: Any) -> tuple[Any, Any]:
        scale = 1.0 / np.sqrt((x * x).sum(-1, keepdims=True) * (1.0 / x.shape[-1]) + self.epsilon)
        normal = x * scale
        return normal * weights, (normal, scale)

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        normal, scale = saved
        error = error * weights
        correlation = (error * normal).sum(-1, keepdims=True) * (1.0 / error.shape[-1])
        return (error - normal * correlation) * scale

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        products = saved[0] * error
        return {"weights": products.reshape(-1, products.shape[-1]).sum(0)}
