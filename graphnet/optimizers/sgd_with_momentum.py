"""Gradient descent with momentum (Polyak 1964; Sutskever et al. 2013, ICML, equations 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphnet.core.checks import number
from graphnet.optimizers.fused import Block, FusedOptimizer


@dataclass(eq=False)
class SgdWithMomentum(FusedOptimizer):
    """``v <- momentum * v - rate * g``, ``w <- w + v``; the velocity ``v`` starts at zero.

    Parameters
    ----------
    learning_rate : float, at least 0
        Times the layer's delta it is the ``rate``.
    momentum : float in [0, 1)
        The factor of the velocity in each step; 0 is gradient descent without momentum.

    Examples
    --------
    >>> optimizer = SgdWithMomentum(1.0, 0.5)
    >>> w = optimizer.calculate_update(1.0, 1.0, 1.0)
    >>> float(optimizer.calculate_update(1.0, w, 1.0))
    -1.5
    """

    momentum: float = 0.9
    state_names: ClassVar[tuple[str, ...]] = ("velocity",)
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.momentum = number("SgdWithMomentum", "momentum", self.momentum, 0.0, 1.0, below=True)

    def factors(self, rate: Any, number: int) -> tuple[Any, ...]:
        """The momentum and the rate."""
        return self.momentum, rate

    def rule(self, block: Block) -> None:
        """One step of the velocity, then of the weights."""
        (old,), (velocity,), (momentum, rate) = block.old, block.new, self.factors(block.rate, block.number)
        np.multiply(old, momentum, out=velocity)
        np.multiply(block.gradient, rate, out=block.scratch)
        np.subtract(velocity, block.scratch, out=velocity)
        np.add(block.weights, velocity, out=block.out)
