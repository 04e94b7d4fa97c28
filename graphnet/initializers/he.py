"""Normal weights for layers before rectifiers (He, Zhang, Ren & Sun 2015, ICCV, equation 10)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.random import generator
from graphnet.initializers.base import Initializer


@dataclass
class He(Initializer):
    """Normal, mean 0, standard deviation ``sqrt(2 / fan_in)``; ``fan_out`` is not used.

    A rectifier halves the second moment, which the factor 2 compensates.

    Examples
    --------
    >>> He().initialize((20, 30), 20, 30).shape
    (20, 30)
    """

    def draw(self, shape: tuple[int, ...], fan_in: Any, fan_out: Any) -> npt.NDArray[np.float64]:
        """Draw each weight independently."""
        return generator().normal(0.0, math.sqrt(2.0 / self._fan("fan_in", fan_in)), shape)
