"""Gradient descent with momentum (Polyak 1964; Sutskever et al. 2013, ICML, equations 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy.typing as npt

from graphnet.optimizers.base import Optimizer
from graphnet.optimizers.checks import number


@dataclass(eq=False)
class SgdWithMomentum(Optimizer):
    """``v <- momentum * v - rate * g``, ``w <- w + v``; the velocity ``v`` starts at zero.

    Parameters
    ----------
    learning_rate : float, at least 0
        Times the layer's delta it is the ``rate``.
    momentum : float in [0, 1)
        How much of the velocity is left after each step; 0 is plain gradient descent.

    Examples
    --------
    >>> optimizer = SgdWithMomentum(1.0, 0.5)
    >>> w = optimizer.calculate_update(1.0, 1.0, 1.0)
    >>> float(optimizer.calculate_update(1.0, w, 1.0))
    -1.5
    """

    momentum: float = 0.9
    state_names: ClassVar[tuple[str, ...]] = ("velocity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = number("SgdWithMomentum", "momentum", self.momentum, 0.0, 1.0, below=True)

    def step(self, rate: float, weights: npt.NDArray[Any], gradient: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One step of the velocity, then of the weights."""
        velocity = self.momentum * self.recall("velocity", weights) - rate * gradient
        self.keep(velocity=velocity)
        return weights + velocity
