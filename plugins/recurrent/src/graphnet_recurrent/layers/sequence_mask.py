"""A random mask that holds for all steps of a sequence."""

from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet import Layer, Shape
from graphnet.authoring import positive
from graphnet_recurrent.layers.checks import batch_size, check_probability


class SequenceMask(Layer):
    """``y = m / p``, ``(batch, units)``, with m 1 with probability p, else 0, drawn once per row; test phase: ones.

    A cell that takes it as a context and multiplies its state by it drops the same units at every step (Gal &
    Ghahramani 2016, arXiv:1512.05287, section 4). Only the batch size of x, ``(time, batch, …)``, is used; x gets no
    error.

    Parameters
    ----------
    units : int
    probability : float
        p, the probability of *keeping* a unit, in (0, 1].

    Raises
    ------
    ShapeError
        If x has no axis besides time.
    """

    units: int
    probability: float = field(default=1.0)

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        positive(self, "units")
        check_probability(self, "probability")

    def infer(self, x: Shape) -> Shape:
        return Shape(("batch", "feature"), (batch_size(x, self), self.units))

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Any]:
        shape = (batch_size(inputs[0], self) or 0, self.units)
        return {"mask": (rng.random(shape) < self.probability) / self.probability}

    def apply(self, x: Any, *, mask: Any, shapes: Any) -> tuple[Any, Any]:
        if mask is None:
            return np.ones((batch_size(shapes[0], self), self.units), x.dtype), None
        return mask, None

    def pull(self, saved: Any, error: Any) -> Any:
        return None
