"""Uniform in [0, 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.random import generator
from graphnet.initializers.base import Initializer


@dataclass
class UniformRandom(Initializer):
    """Every weight is uniform in [0, 1), independent of the fans: mean 1/2, variance 1/12.

    Examples
    --------
    >>> w = UniformRandom().initialize((20, 30), 20, 30)
    >>> w.shape, bool((w >= 0).all() and (w < 1).all())
    ((20, 30), True)
    """

    def draw(self, shape: tuple[int, ...], fan_in: Any, fan_out: Any) -> npt.NDArray[np.float64]:
        """Draw each weight independently."""
        return generator().random(shape)
