"""One random mask for all steps of a sequence."""

from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet import Layer, Shape
from graphnet.authoring import positive, require
from graphnet_recurrent.parts.initial_state import rows


class SequenceMask(Layer):
    """``y = m / p``, ``(batch, units)``: m is 1 with probability p, else 0, drawn once for each row; test phase: ones.

    A context for a cell that multiplies its state by it: the same units are left out at every step (Gal & Ghahramani
    2016, arXiv:1512.05287, section 4). x, ``(time, batch, …)``, tells the number of rows; no error goes to it.

    Parameters
    ----------
    units : int
    probability : float
        p, of *keeping* a unit, in (0, 1].

    Raises
    ------
    ShapeError
        If x has no axis beside time.
    """

    units: int
    probability: float = field(default=1.0)

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        positive(self, "units")
        check_probability(self, "probability")

    def infer(self, x: Shape) -> Shape:
        return Shape(("batch", "feature"), (rows(x, self), self.units))

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Any]:
        shape = (rows(inputs[0], self) or 0, self.units)
        return {"mask": (rng.random(shape) < self.probability) / self.probability}

    def apply(self, x: Any, *, mask: Any, shapes: Any) -> tuple[Any, Any]:
        if mask is None:
            return np.ones((rows(shapes[0], self), self.units), x.dtype), None
        return mask, None

    def pull(self, saved: Any, error: Any) -> Any:
        return None


def check_probability(layer: Layer, name: str) -> None:
    """Require a probability of keeping.

    Raises
    ------
    ConfigError
    """
    p = getattr(layer, name)
    real = isinstance(p, (int, float)) and not isinstance(p, bool)
    require(real and 0 < p <= 1, layer, name, "the probability of keeping, in (0, 1]")
