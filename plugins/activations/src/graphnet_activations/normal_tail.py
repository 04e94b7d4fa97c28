"""The tail of the standard normal distribution, for arrays, because numpy has no error function."""

import math
from functools import cache
from typing import Any

import numpy as np

#: Distance of the nodes of the table; an argument is at most half of it from its nearest node.
STEP = 1.0 / 64.0
ORDER = 7
#: exp(-a²/2) is 0 in float64 beyond this.
SATURATED = 40.0
#: From here on, nodes are computed by the continued fraction; below, by math.erfc.
FRACTION_START = 8.0
#: Arguments are rounded down to multiples of this, whose squares are exact.
GRID = 1.0 / 16.0


def _node(z: float) -> float:
    """``exp(z²) erfc(z)`` for a z whose square is exact (Abramowitz & Stegun 1964, 7.1.14)."""
    if z < FRACTION_START:
        return math.exp(z * z) * math.erfc(z)
    below = z
    for n in range(60, 0, -1):
        below = z + 0.5 * n / below
    return 1.0 / (math.sqrt(math.pi) * below)


@cache
def _table() -> np.ndarray:
    """Taylor coefficients of ``w(z) = exp(z²) erfc(z)`` at every node, ``(ORDER + 1, nodes)``.

    ``w' = 2 z w - 2/√π`` and ``w⁽ⁿ⁺¹⁾ = 2 z w⁽ⁿ⁾ + 2 n w⁽ⁿ⁻¹⁾``.
    """
    z = np.arange(0.0, SATURATED * math.sqrt(0.5) + STEP, STEP)
    rows = [np.array([_node(v) for v in z])]
    rows.append(2.0 * z * rows[0] - 2.0 / math.sqrt(math.pi))
    for n in range(1, ORDER):
        rows.append(2.0 * z * rows[n] + 2.0 * n * rows[n - 1])
    return np.array([row / math.factorial(n) for n, row in enumerate(rows)])


def scaled_tail(a: Any) -> Any:
    """Return ``exp(a²/2) Q(a)``, with ``Q(a) = ½ erfc(a/√2)`` the probability of a standard normal number above a.

    Parameters
    ----------
    a : array of float64
        From 0 to ``SATURATED``; NaN stays NaN.

    Examples
    --------
    >>> scaled_tail(np.array([0.0, 2.0])).round(6)
    array([0.5     , 0.168102])
    """
    z = a * math.sqrt(0.5)
    node = np.rint(np.nan_to_num(z / STEP)).astype(np.int64)
    distance = z - node * STEP
    table = _table()
    polynomial = table[ORDER][node]
    for n in range(ORDER - 1, -1, -1):
        polynomial = polynomial * distance + table[n][node]
    return 0.5 * polynomial


def times_gaussian(value: Any, a: Any) -> Any:
    """Return ``value · exp(-a²/2)``; the rounding of a² and subnormal powers do not reduce the precision.

    With ``h`` the largest multiple of 1/16 up to a, ``exp(-a²/2) = exp(-h²/4)² exp(-(a - h)(a + h)/2)``; ``h²`` is
    exact.
    """
    h = np.floor(a / GRID) * GRID
    root = np.exp(-0.25 * h * h)
    return value * root * np.exp(-0.5 * (a - h) * (a + h)) * root
