"""Layers that are infinite or NaN at zero, placed around a layer to test the padding of ragged batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape


class Logarithm(Layer):
    """``y = log x``: at zero, both the value and the derivative are infinite."""

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.log(x), x

    def pull(self, x: Any, error: Any) -> Any:
        return error / x


class Ratio(Layer):
    """``y / d`` with a divisor ``d (time, batch, 1)`` for each step: NaN where both are zero."""

    rowwise = True

    def infer(self, y: Shape, divisor: Shape) -> Shape:
        return y

    def apply(self, y: Any, divisor: Any) -> tuple[Any, Any]:
        aligned = divisor.reshape(*y.shape[:2], *[1] * (y.ndim - 2))
        return y / aligned, (y, aligned)

    def pull(self, saved: Any, error: Any) -> Any:
        y, aligned = saved
        divisor_error = -(error * y / (aligned * aligned)).reshape(*y.shape[:2], -1).sum(axis=2, keepdims=True)
        return error / aligned, divisor_error
