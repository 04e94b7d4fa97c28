"""The tail of the standard normal distribution, for arrays: numpy has no error function."""

import math
from typing import Any

import numpy as np

#: Nodes of the table lie this close, so that no argument is further than half of it from one.
STEP = 1.0 / 64.0
ORDER = 7
#: exp(-a²/2) is 0 in float64 beyond this.
SATURATED = 40.0
#: From here on the continued fraction gives the nodes; before it, math.erfc does.
FRACTION = 8.0
#: Parts of a are multiples of this, so that their squares are exact.
PART = 1.0 / 16.0


def _node(z: float) -> float:
    """``exp(z²) erfc(z)`` for a z whose square is exact (Abramowitz & Stegun 1964, 7.1.14)."""
    if z < FRACTION:
        return math.exp(z * z) * math.erfc(z)
    below = z
    for n in range(60, 0, -1):
        below = z + 0.5 * n / below
    return 1.0 / (math.sqrt(math.pi) * below)


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


TABLE = _table()


def scaled_tail(a: Any) -> Any:
    """``exp(a²/2) Q(a)``, with ``Q(a) = ½ erfc(a/√2)`` the probability of a standard normal number above a.

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
    apart = z - node * STEP
    found = TABLE[ORDER][node]
    for n in range(ORDER - 1, -1, -1):
        found = found * apart + TABLE[n][node]
    return 0.5 * found


def times_bell(value: Any, a: Any) -> Any:
    """``value · exp(-a²/2)``; the rounding of a² does not show, nor does a subnormal exponential.

    With ``h`` the multiple of 1/16 below a, ``exp(-a²/2) = exp(-h²/4)² exp(-(a - h)(a + h)/2)``, where ``h²`` is exact.
    """
    part = np.floor(a / PART) * PART
    root = np.exp(-0.25 * part * part)
    return value * root * np.exp(-0.5 * (a - part) * (a + part)) * root
