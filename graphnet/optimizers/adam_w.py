"""Adam with decoupled weight decay (Loshchilov & Hutter 2019, ICLR, algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graphnet.core.checks import number
from graphnet.optimizers.adam import Adam
from graphnet.optimizers.fused import Block


@dataclass(eq=False)
class AdamW(Adam):
    """:class:`Adam`, whose step also subtracts ``rate * weight_decay * w`` with the weights before the step.

    The decay stays out of the moments. It is scaled by the whole rate, so the paper's lambda, which is scaled by the
    schedule alone, is ``learning_rate * weight_decay`` here.

    Parameters
    ----------
    learning_rate, mu, rho, epsilon : float
        As in :class:`Adam`.
    weight_decay : float, at least 0
        0 is Adam itself.

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

    def rule(self, block: Block) -> None:
        """Adam's step from the decayed weights; the moments see the gradient alone."""
        np.multiply(block.weights, block.rate * self.weight_decay, out=block.out)
        np.subtract(block.weights, block.out, out=block.out)
        super().rule(block._replace(weights=block.out))
