"""Dropout with one mask per sequence."""

from typing import Any, ClassVar

import numpy as np

from graphnet import Layer, Shape
from graphnet_recurrent.layers.checks import check_probability, check_sequence


class SequenceDropout(Layer):
    """``y[t, b] = x[t, b] · m_b / p`` with m_b 1 with probability p, else 0, per feature; in the test phase ``y = x``.

    The mask is drawn once per sequence instead of once per step (Gal & Ghahramani 2016, arXiv:1512.05287, section 4).
    The input is ``(time, batch, feature)`` or ``(time, feature)``.

    Parameters
    ----------
    probability : float
        p, the probability of *keeping* a feature, in (0, 1].

    Raises
    ------
    ShapeError
        If x has no axis besides time.
    """

    probability: float

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        check_probability(self, "probability")

    def infer(self, x: Shape) -> Shape:
        check_sequence(x, self)
        return x

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Any]:
        shape = tuple(size or 0 for size in inputs[0].sizes[1:])
        return {"mask": (rng.random(shape) < self.probability) / self.probability}

    def apply(self, x: Any, *, mask: Any) -> tuple[Any, Any]:
        return (x, None) if mask is None else (x * mask, mask)

    def pull(self, mask: Any, error: Any) -> Any:
        return error if mask is None else error * mask
