"""Constant weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.core.checks import number
from graphnet.initializers.base import Initializer


@dataclass
class Constant(Initializer):
    """Every weight is ``value``; uses no random numbers. For biases only: equal weights in a layer stay equal.

    Parameters
    ----------
    value : float

    Examples
    --------
    >>> Constant(0.1).initialize((1, 3), 4, 3)
    array([[0.1, 0.1, 0.1]])
    """

    value: float

    def __post_init__(self) -> None:
        self.value = number("Constant", "value", self.value)

    def draw(self, shape: tuple[int, ...], fan_in: Any, fan_out: Any) -> npt.NDArray[np.float64]:
        """An array full of ``value``."""
        return np.full(shape, self.value, dtype=np.float64)
