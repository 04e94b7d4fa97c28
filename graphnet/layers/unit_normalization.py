"""Vectors of length 1."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.layers.checks import finite
from graphnet.layers.sizes import last_size


class UnitNormalization(Layer):
    """``y = x / √(Σ x² + ε)`` over the last axis: each vector is divided by its Euclidean length.

    The keys and queries of the delta rule (Yang et al. 2024, arXiv:2406.06484, section 3.3) are normalized so, because
    the eigenvalues of ``I - β k kᵀ`` are then in [-1, 1] for β in [0, 2].

    Parameters
    ----------
    epsilon : float, above 0
        Added to the squared length, so that a vector of zeros stays one.

    Raises
    ------
    ShapeError
        If the input has no axis besides its rows.

    Examples
    --------
    >>> import numpy as np
    >>> UnitNormalization().forward(np.array([[3.0, -4.0]])).round(4)
    array([[ 0.6, -0.8]])
    """

    epsilon: float = field(default=1e-6, kw_only=True)

    def check(self) -> None:
        require(finite(self.epsilon) and self.epsilon > 0, self, "epsilon", "a finite number above 0")

    def infer(self, x: Shape) -> Shape:
        last_size(self, None, (x,), known=False)
        return x

    def apply(self, x: Any) -> tuple[Any, Any]:
        scale = 1.0 / np.sqrt((x * x).sum(-1, keepdims=True) + self.epsilon)
        y = x * scale
        return y, (y, scale)

    def pull(self, saved: Any, error: Any) -> Any:
        y, scale = saved
        return (error - y * (error * y).sum(-1, keepdims=True)) * scale
