"""Adam (Kingma & Ba 2015, "Adam: a method for stochastic optimization", ICLR, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from graphnet.optimizers.base import Optimizer
from graphnet.optimizers.checks import number


@dataclass(eq=False)
class Adam(Optimizer):
    """Adaptive moments with bias correction; in step ``t = 1, 2, ...``::

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
        Keeps the quotient finite.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        where = type(self).__name__
        self.mu = number(where, "mu", self.mu, 0.0, 1.0, below=True)
        self.rho = number(where, "rho", self.rho, 0.0, 1.0, below=True)
        self.epsilon = number(where, "epsilon", self.epsilon, 0.0, above=True)

    def step(self, rate: float, weights: npt.NDArray[Any], gradient: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One step of both moments, then of the weights."""
        count = self.step_count + 1
        first = self.mu * self.recall("first_moment", weights) + (1 - self.mu) * gradient
        second = self.rho * self.recall("second_moment", weights) + (1 - self.rho) * (gradient * gradient)
        self.keep(first_moment=first, second_moment=second, step_count=np.int64(count))
        scale = np.sqrt(second / (1 - self.rho**count)) + self.epsilon
        new: npt.NDArray[Any] = weights - rate * (first / (1 - self.mu**count)) / scale
        return new
