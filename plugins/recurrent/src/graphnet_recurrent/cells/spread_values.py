"""Starting values that papers draw from a distribution: its quantiles, so that a cell does not depend on a seed."""

from __future__ import annotations

import numpy as np


def evenly(count: int, low: float, high: float) -> np.ndarray:
    """The middles of ``count`` equal parts of [low, high]: quantiles of a uniform distribution.

    Examples
    --------
    >>> evenly(2, 0.0, 1.0)
    array([0.25, 0.75])
    """
    return low + (high - low) * (np.arange(count) + 0.5) / count


def shuffled(count: int, low: float, high: float) -> np.ndarray:
    """The same in an order that does not follow that of ``evenly``: multiples of the golden ratio, modulo 1."""
    return low + (high - low) * ((np.arange(1, count + 1) * 0.6180339887498949) % 1.0)


def inverse_softplus(y: np.ndarray) -> np.ndarray:
    """The x with ``log(1 + exp(x)) = y``, for y above 0."""
    return y + np.log(-np.expm1(-y))
