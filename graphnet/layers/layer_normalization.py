"""Layer normalization."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer, positive, require
from graphnet.core.describe.parameter import Weight
from graphnet.core.describe.shapes import Shape
from graphnet.layers.attributes import BiasAttribute
from graphnet.layers.checks import finite
from graphnet.layers.sizes import last_size


class LayerNormalization(BiasAttribute, Layer):
    """``y = g · (x - mean) / √(variance + ε) + b`` over the last axis (Ba, Kiros & Hinton 2016, equation 3).

    ``weights`` is the gain g and starts at 1, ``bias`` is b and starts at 0; ``initialize`` resets
    both to these values. A regularizer applies to g only. Rows are independent of each other: the train and test phases
    are equal, and the layer may be used in a cell.

    Parameters
    ----------
    size : int, optional
        The size of the last axis; None: taken from the first input.
    epsilon : float, above 0
    dtype : {'float64', 'float32'}
        The dtype of the weights.

    Raises
    ------
    ShapeError
        If the size of the last axis differs.
    """

    size: int | None = None
    epsilon: float = field(default=1e-5, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "size")
        require(finite(self.epsilon) and self.epsilon > 0, self, "epsilon", "a finite number above 0")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        shape = (last_size(self, self.size, inputs),)
        return {"weights": Weight(shape, kind="constant", value=1.0), "bias": Weight(shape, kind="bias", value=0.0)}

    def infer(self, x: Shape) -> Shape:
        last_size(self, self.size, (x,), known=False)
        return x if self.size is None else x.resized(-1, self.size)

    def apply(self, x: Any, *, weights: Any, bias: Any) -> tuple[Any, Any]:
        count = x.shape[-1]
        centred = x - x.sum(-1, keepdims=True) / count
        scale = 1.0 / np.sqrt((centred * centred).sum(-1, keepdims=True) / count + self.epsilon)
        normal = centred * scale
        return normal * weights + bias, (normal, scale)

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        normal, scale = saved
        error = error * weights
        count = error.shape[-1]
        mean = error.sum(-1, keepdims=True) / count
        correlation = (error * normal).sum(-1, keepdims=True) / count
        return (error - mean - normal * correlation) * scale

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        rows, errors = (a.reshape(-1, a.shape[-1]) for a in (saved[0], error))
        return {"weights": (errors * rows).sum(0), "bias": errors.sum(0)}
