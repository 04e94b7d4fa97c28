"""Adam (Kingma & Ba 2015, "Adam: a method for stochastic optimization", ICLR, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from graphnet.core.checks import number
from graphnet.optimizers.fused import Block, FusedOptimizer, running_mean


@dataclass(eq=False)
class Adam(FusedOptimizer):
    """Adaptive moments with bias correction.

    In step ``t = 1, 2, ...``::

        v <- mu * v + (1 - mu) * g              (first moment, starts at zero)
        r <- rho * r + (1 - rho) * g**2         (second moment, starts at zero)
        w <- w - rate * v / (1 - mu**t) / (sqrt(r / (1 - rho**t)) + epsilon)

    Parameters
    ----------
    learning_rate : float, at least 0
        Times the layer's delta it is the ``rate`` (alpha in the paper).
    mu, rho : float in [0, 1)
        Decay of the first and of the second moment (beta 1 and beta 2 in the paper).
    epsilon : float above 0, keyword only
        Added to the denominator.

    Examples
    --------
    >>> round(float(Adam(0.1).calculate_update(1.0, 1.0, 250.0)), 6)
    0.9
    """

    learning_rate: float = 0.001
    mu: float = 0.9
    rho: float = 0.999
    epsilon: float = field(default=1e-8, kw_only=True)
    state_names: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment", "step_count")
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        where = type(self).__name__
        self.mu = number(where, "mu", self.mu, 0.0, 1.0, below=True)
        self.rho = number(where, "rho", self.rho, 0.0, 1.0, below=True)
        self.epsilon = number(where, "epsilon", self.epsilon, 0.0, above=True)

    def factors(self, rate: Any, number: int) -> tuple[Any, ...]:
        """Both decays with their complements, the bias corrections and epsilon."""
        # The bias corrections are scalars: two products replace the two array divisions of the formula.
        first, second = 1.0 / math.sqrt(1.0 - self.rho**number), rate / (1.0 - self.mu**number)
        return self.mu, 1.0 - self.mu, self.rho, 1.0 - self.rho, first, self.epsilon, second

    def rule(self, block: Block) -> None:
        """One step of both moments, then of the weights."""
        gradient, (first, second), scratch = block.gradient, block.new, block.scratch
        mu, mu_rest, rho, rho_rest, correction, epsilon, rate = self.factors(block.rate, block.number)[:7]
        running_mean(block.old[0], gradient, mu, out=first, scratch=scratch, rest=mu_rest)
        np.multiply(gradient, gradient, out=scratch)
        running_mean(block.old[1], scratch, rho, out=second, scratch=scratch, rest=rho_rest)
        np.sqrt(second, out=scratch)
        np.multiply(scratch, correction, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        np.divide(first, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        np.subtract(block.weights, scratch, out=block.out)
