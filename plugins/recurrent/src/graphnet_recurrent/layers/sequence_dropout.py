"""Dropout with one mask per sequence."""

from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet import Layer, Shape
from graphnet.layers import KeepProbability
from graphnet_recurrent.layers.checks import check_sequence


class SequenceDropout(KeepProbability, Layer):
    """``y[t, b] = x[t, b] · m_b / p`` with m_b 1 with probability p, else 0, per feature; in the test phase ``y = x``.

    The mask is drawn once per sequence instead of once per step (Gal & Ghahramani 2016, arXiv:1512.05287, section 4).
    The input is ``(time, batch, feature)`` or ``(time, feature)``.

    Parameters
    ----------
    probability, keep : float
        p, the probability of *keeping* a feature, in (0, 1].
    drop : float
        1 - p, the probability of *dropping* a feature, in [0, 1).

    Raises
    ------
    ConfigError
        Unless exactly one of the three is given.
    ShapeError
        If x has no axis besides time.
    """

    probability: float | None = None
    keep: float | None = field(default=None, kw_only=True)
    drop: float | None = field(default=None, kw_only=True)

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        self.settle()

    def infer(self, x: Shape) -> Shape:
        check_sequence(x, self)
        return x

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Any]:
        shape = tuple(size or 0 for size in inputs[0].sizes[1:])
        keep = self.probability or 1.0
        return {"mask": (rng.random(shape) < keep) / keep}

    def apply(self, x: Any, *, mask: Any) -> tuple[Any, Any]:
        return (x, None) if mask is None else (x * mask, mask)

    def pull(self, mask: Any, error: Any) -> Any:
        return error if mask is None else error * mask
