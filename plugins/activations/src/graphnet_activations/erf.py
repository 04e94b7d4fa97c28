"""The error function of arrays, which numpy does not have."""

import math
from typing import Any

import numpy as np

#: erf is ±1 in float64 beyond this.
SATURATED = 6.0
#: Nodes lie this close, so that no argument is further than half of it from one.
STEP = 1.0 / 64.0
ORDER = 6


def _table() -> np.ndarray:
    """Taylor coefficients of erf at every node, ``(ORDER + 1, nodes)``.

    The n-th derivative of erf at z is ``2/√π · (-1)^(n-1) · H_(n-1)(z) · exp(-z²)``, H the Hermite polynomials, with
    ``H_(n+1) = 2 z H_n - 2 n H_(n-1)`` (Abramowitz & Stegun 1964, 7.1.19 and 22.7.13).
    """
    z = np.arange(-SATURATED, SATURATED + STEP / 2, STEP)
    rows = [np.array([math.erf(v) for v in z])]
    hermite, before = np.ones_like(z), np.zeros_like(z)
    for n in range(1, ORDER + 1):
        sign = -1.0 if n % 2 == 0 else 1.0
        rows.append(2.0 / math.sqrt(math.pi) * sign * hermite * np.exp(-z * z) / math.factorial(n))
        hermite, before = 2.0 * z * hermite - 2.0 * (n - 1) * before, hermite
    return np.array(rows)


TABLES = {name: _table().astype(name) for name in ("float64", "float32")}


def erf(z: Any) -> Any:
    """``erf(z) = 2/√π ∫_0^z exp(-t²) dt``, elementwise; range [-1, 1]; the error is below 3e-16 in float64.

    A Taylor polynomial of order six around the nearest of 769 nodes, where ``math.erf`` gives the value.

    Examples
    --------
    >>> import numpy as np
    >>> erf(np.array([-9.0, 0.0, 0.5])).round(4)
    array([-1.    ,  0.    ,  0.5205])
    """
    table = TABLES[z.dtype.name]
    near = np.minimum(np.maximum(z, -SATURATED), SATURATED)
    node = np.rint(np.nan_to_num((near + SATURATED) / STEP)).astype(np.int64)
    apart = near - (node * STEP - SATURATED).astype(z.dtype)
    found = table[ORDER][node]
    for n in range(ORDER - 1, -1, -1):
        found = found * apart + table[n][node]
    return found
