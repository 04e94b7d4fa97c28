"""Dropout that leaves out the same features at every step."""

from typing import Any, ClassVar

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet_recurrent.parts.sequence_mask import check_probability


class SequenceDropout(Layer):
    """``y[t, b] = x[t, b] · m_b / p``: m_b is 1 with probability p, else 0, for each feature; test phase: ``y = x``.

    One mask a sequence instead of one a number (Gal & Ghahramani 2016, arXiv:1512.05287, section 4), ``(time, batch,
    feature)`` or ``(time, feature)``.

    Parameters
    ----------
    probability : float
        p, of *keeping* a feature, in (0, 1].

    Raises
    ------
    ShapeError
        If x has no axis beside time.
    """

    probability: float

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        check_probability(self, "probability")

    def infer(self, x: Shape) -> Shape:
        if x.rank < 2 or "time" in x.names[1:]:
            raise ShapeError("no sequence", where=repr(self), expected="(time, batch, …)", received=x)
        x.read_as_sequence(repr(self))
        return x

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Any]:
        shape = tuple(size or 0 for size in inputs[0].sizes[1:])
        return {"mask": (rng.random(shape) < self.probability) / self.probability}

    def apply(self, x: Any, *, mask: Any) -> tuple[Any, Any]:
        return (x, None) if mask is None else (x * mask, mask)

    def pull(self, mask: Any, error: Any) -> Any:
        return error if mask is None else error * mask
