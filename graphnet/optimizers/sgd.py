"""Stochastic gradient descent (Robbins & Monro 1951, "A stochastic approximation method", Ann. Math. Stat. 22)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from graphnet.optimizers.base import Optimizer


@dataclass(eq=False)
class Sgd(Optimizer):
    """``w <- w - rate * g``; remembers nothing, so one instance may serve many weight arrays.

    Parameters
    ----------
    learning_rate : float, at least 0
        Times the layer's delta it is the ``rate``.

    Examples
    --------
    >>> float(Sgd(0.5).calculate_update(1.0, 3.0, 2.0))
    2.0
    """

    def step(self, rate: float, weights: npt.NDArray[Any], gradient: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One step down the gradient."""
        return weights - rate * gradient
