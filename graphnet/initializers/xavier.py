"""Normal weights for layers around tanh and sigmoid (Glorot & Bengio 2010, AISTATS, equation 12)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.random import generator
from graphnet.initializers.base import Initializer


@dataclass
class Xavier(Initializer):
    """Normal, mean 0, standard deviation ``sqrt(2 / (fan_in + fan_out))``.

    It keeps the variance of activations and errors about equal from layer to layer as long as units are nearly linear.

    Examples
    --------
    >>> Xavier().initialize((20, 30), 20, 30).shape
    (20, 30)
    """

    def draw(self, shape: tuple[int, ...], fan_in: Any, fan_out: Any) -> npt.NDArray[np.float64]:
        """Draw each weight independently."""
        fans = self._fan("fan_in", fan_in) + self._fan("fan_out", fan_out)
        return generator().normal(0.0, math.sqrt(2.0 / fans), shape)
