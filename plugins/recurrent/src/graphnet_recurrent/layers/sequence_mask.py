"""A random mask that holds for all steps of a sequence."""

from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet import Layer, Shape
from graphnet.layers import KeepProbability
from graphnet_recurrent.layers.checks import batch_size, state_shape, state_sizes


class SequenceMask(KeepProbability, Layer):
    """``y = m / p``, ``(batch, *units)``, with m 1 with probability p, else 0, drawn once per row; test phase: ones.

    A cell that takes it as a context and multiplies its state by it drops the same units at every step (Gal &
    Ghahramani 2016, arXiv:1512.05287, section 4). Only the batch size of x, ``(time, batch, …)``, is used; x gets no
    error.

    Parameters
    ----------
    units : int or tuple of int
        The sizes of the state without the batch axis.
    probability, keep : float
        p, the probability of *keeping* a unit, in (0, 1].
    drop : float
        1 - p, the probability of *dropping* a unit, in [0, 1).

    Raises
    ------
    ConfigError
        Unless exactly one of the three is given.
    ShapeError
        If x has no axis besides time.
    """

    units: int | tuple[int, ...]
    probability: float | None = None
    keep: float | None = field(default=None, kw_only=True)
    drop: float | None = field(default=None, kw_only=True)

    draws: ClassVar[tuple[str, ...]] = ("mask",)

    def check(self) -> None:
        self._sizes = state_sizes(self, "units")
        self.settle()

    def infer(self, x: Shape) -> Shape:
        return state_shape(batch_size(x, self), self._sizes)

    def draw(self, rng: np.random.Generator, *inputs: Shape) -> dict[str, Any]:
        shape = (batch_size(inputs[0], self) or 0, *self._sizes)
        keep = self.probability or 1.0
        return {"mask": (rng.random(shape) < keep) / keep}

    def apply(self, x: Any, *, mask: Any, shapes: Any) -> tuple[Any, Any]:
        if mask is None:
            return np.ones((batch_size(shapes[0], self) or 0, *self._sizes), x.dtype), None
        return mask, None

    def pull(self, saved: Any, error: Any) -> Any:
        return None
