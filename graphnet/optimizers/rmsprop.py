"""RMSprop (Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6e)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphnet.core.checks import number
from graphnet.optimizers.fused import Block, FusedOptimizer, running_mean


@dataclass(eq=False)
class RMSprop(FusedOptimizer):
    """``s <- rho * s + (1 - rho) * g**2``, ``w <- w - rate * g / (sqrt(s) + epsilon)``; ``s`` starts at zero.

    Without bias correction: the first step has length ``rate / sqrt(1 - rho)``.

    Parameters
    ----------
    learning_rate : float, at least 0
        Times the layer's delta it is the ``rate``.
    rho : float in [0, 1)
        Decay of the mean square.
    epsilon : float above 0
        Added to the denominator.

    Examples
    --------
    >>> round(float(RMSprop(0.1, 0.75).calculate_update(1.0, 1.0, 40.0)), 6)
    0.8
    """

    learning_rate: float = 0.001
    rho: float = 0.9
    epsilon: float = 1e-8
    state_names: ClassVar[tuple[str, ...]] = ("mean_square",)
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rho = number("RMSprop", "rho", self.rho, 0.0, 1.0, below=True)
        self.epsilon = number("RMSprop", "epsilon", self.epsilon, 0.0, above=True)

    def factors(self, rate: Any, number: int) -> tuple[Any, ...]:
        """The decay with its complement, epsilon and the rate."""
        return self.rho, 1.0 - self.rho, self.epsilon, rate

    def rule(self, block: Block) -> None:
        """One step of the mean square, then of the weights."""
        gradient, (old,), (square,), scratch = block.gradient, block.old, block.new, block.scratch
        rho, rest, epsilon, rate = self.factors(block.rate, block.number)
        np.multiply(gradient, gradient, out=scratch)
        running_mean(old, scratch, rho, out=square, scratch=scratch, rest=rest)
        np.sqrt(square, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        np.divide(gradient, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        np.subtract(block.weights, scratch, out=block.out)
