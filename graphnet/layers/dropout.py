"""Dropout."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.layers.keep_probability import KeepProbability


class Dropout(KeepProbability, Layer):
    """``y = x · m / p``; each element of m is 1 with probability p, else 0. In the test phase ``y = x``.

    Inverted dropout (Srivastava et al. 2014, section 10). The positional argument is the probability of *keeping* a
    unit, where Keras and PyTorch take that of dropping it: write ``keep=`` or ``drop=`` to be clear.

    Parameters
    ----------
    probability, keep : float
        p, the probability of *keeping* a unit, in (0, 1].
    drop : float
        1 - p, the probability of *dropping* a unit, in [0, 1).

    Raises
    ------
    ConfigError
        Unless exactly one of the three is given.

    Examples
    --------
    >>> Dropout(0.8).probability, Dropout(keep=0.8).probability, Dropout(drop=0.2).probability
    (0.8, 0.8, 0.8)
    """

    probability: float | None = None
    keep: float | None = field(default=None, kw_only=True)
    drop: float | None = field(default=None, kw_only=True)

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        self.settle()

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Array]:
        keep = self.probability or 1.0
        kept = rng.random(inputs[0].sizes) < keep  # type: ignore[arg-type]
        return {"mask": kept / keep}

    def apply(self, x: Any, *, mask: Any) -> tuple[Any, Any]:
        return (x, None) if mask is None else (x * mask, mask)

    def pull(self, mask: Any, error: Any) -> Any:
        return error if mask is None else error * mask
