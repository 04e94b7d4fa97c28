"""Adam with decoupled weight decay (Loshchilov & Hutter 2019, ICLR, algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from graphnet.core.checks import number
from graphnet.optimizers.adam import Adam
from graphnet.optimizers.fused import Block


@dataclass(eq=False)
class AdamW(Adam):
    """:class:`Adam` with decoupled weight decay: each step also subtracts ``rate * weight_decay * w``.

    ``w`` are the weights before the step, and the decay does not enter the moments. It is scaled by the whole rate; the
    lambda of the paper, which is scaled by the schedule only, is ``learning_rate * weight_decay`` here.

    Parameters
    ----------
    learning_rate, mu, rho, epsilon : float
        As in :class:`Adam`.
    weight_decay : float, at least 0
        With 0 the optimizer is equal to Adam.

    Examples
    --------
    >>> round(float(AdamW(0.1, weight_decay=0.5).calculate_update(1.0, 2.0, 0.0)), 6)
    1.9
    """

    weight_decay: float = 0.01
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weight_decay = number("AdamW", "weight_decay", self.weight_decay, 0.0)

    def factors(self, rate: Any, number: int) -> tuple[Any, ...]:
        """Those of Adam and the decay of the weights."""
        return (*super().factors(rate, number), rate * self.weight_decay)

    def rule(self, block: Block) -> None:
        """Adam's step from the decayed weights; the moments depend on the gradient only."""
        np.multiply(block.weights, self.factors(block.rate, block.number)[-1], out=block.out)
        np.subtract(block.weights, block.out, out=block.out)
        super().rule(block._replace(weights=block.out))
