"""A fixed scale and shift, as in the operators ``1 - z`` and ``2 * x``."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.layer import Layer, require
from graphnet.layers.checks import finite


class Affine(Layer):
    """``y = scale · x + shift``, elementwise, with constant numbers.

    Parameters
    ----------
    scale, shift : float
        Finite.
    """

    scale: float = 1.0
    shift: float = 0.0

    def check(self) -> None:
        require(finite(self.scale), self, "scale", "a finite number")
        require(finite(self.shift), self, "shift", "a finite number")

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = x if self.scale == 1.0 else x * self.scale
        return y if self.shift == 0.0 else y + self.shift, None

    def pull(self, saved: Any, error: Any) -> Any:
        return error if self.scale == 1.0 else error * self.scale
