"""Dropout."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.layers.checks import finite


class Dropout(Layer):
    """``y = x · m / p``; each element of m is 1 with probability p, else 0. In the test phase ``y = x``.

    Inverted dropout (Srivastava et al. 2014, section 10).

    Parameters
    ----------
    probability : float
        p, the probability of *keeping* a unit, in (0, 1].
    """

    probability: float

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        p = self.probability
        require(finite(p) and 0 < p <= 1, self, "probability", "the probability of keeping, in (0, 1]")

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Array]:
        kept = rng.random(inputs[0].sizes) < self.probability  # type: ignore[arg-type]
        return {"mask": kept / self.probability}

    def apply(self, x: Any, *, mask: Any) -> tuple[Any, Any]:
        return (x, None) if mask is None else (x * mask, mask)

    def pull(self, mask: Any, error: Any) -> Any:
        return error if mask is None else error * mask
