"""A trained factor for each feature."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from graphnet.core.describe.layer import Layer, positive, require
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.layers.attributes import WeightsAttribute
from graphnet.layers.checks import finite
from graphnet.layers.sizes import last_size


class Gain(WeightsAttribute, Layer):
    """``y = x · weights``, one weight for each feature, the last axis: the product with a diagonal matrix.

    ``weights`` is ``(size,)``. It starts at ``initial``, to which ``initialize`` resets it.

    Parameters
    ----------
    size : int, optional
        The size of the last axis; None: taken from the first input.
    initial : float
        What the weights start at.
    dtype : {'float64', 'float32'}
        Of the weights.

    Raises
    ------
    ShapeError
        If the size of the last axis differs.

    Examples
    --------
    >>> import numpy as np
    >>> Gain(2, 0.5).forward(np.array([[1.0, 10.0]]))
    array([[0.5, 5. ]])
    """

    size: int | None = None
    initial: float = 1.0
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "size")
        require(finite(self.initial), self, "initial", "a finite number")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        return {"weights": Weight((last_size(self, self.size, inputs),), kind="constant", value=float(self.initial))}

    def infer(self, x: Shape) -> Shape:
        last_size(self, self.size, (x,), known=False)
        return x if self.size is None else x.resized(-1, self.size)

    def apply(self, x: Any, *, weights: Any) -> tuple[Any, Any]:
        return x * weights, x

    def pull(self, x: Any, error: Any, *, weights: Any) -> Any:
        return error * weights

    def grad(self, x: Any, error: Any) -> dict[str, Any]:
        products = x * error
        return {"weights": products.reshape(-1, products.shape[-1]).sum(0)}
