"""Stochastic gradient descent (Robbins & Monro 1951, "A stochastic approximation method", Ann. Math. Stat. 22)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphnet.optimizers.fused import Block, FusedOptimizer


@dataclass(eq=False)
class Sgd(FusedOptimizer):
    """``w <- w - rate * g``; has no state, so one instance may update many weight arrays.

    Parameters
    ----------
    learning_rate : float, at least 0
        Times the layer's delta it is the ``rate``.

    Examples
    --------
    >>> float(Sgd(0.5).calculate_update(1.0, 3.0, 2.0))
    2.0
    """

    elementwise: ClassVar[bool] = True

    def factors(self, rate: Any, number: int) -> tuple[Any, ...]:
        """The rate."""
        return (rate,)

    def rule(self, block: Block) -> None:
        """One step down the gradient."""
        (rate,) = self.factors(block.rate, block.number)
        np.multiply(block.gradient, rate, out=block.out)
        np.subtract(block.weights, block.out, out=block.out)
