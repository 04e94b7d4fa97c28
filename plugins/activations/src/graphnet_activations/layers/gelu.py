"""The Gaussian error linear unit."""

import math
from typing import Any

import numpy as np

from graphnet import Layer
from graphnet.authoring import inside_scan, logistic, require
from graphnet_activations.normal_tail import SATURATED, scaled_tail, times_gaussian

#: √(2/π) and the cubic coefficient of the approximation.
SCALE, CUBIC = math.sqrt(2.0 / math.pi), 0.044715
#: Beyond these, the tanh of the approximation is ±1, and its logistic function 0 or 1, in float64.
FLAT, EDGE = 12.0, 24.0
DENSITY = 1.0 / math.sqrt(2.0 * math.pi)


class GELU(Layer):
    """``y = x · Φ(x)``, elementwise, with Φ the standard normal distribution function (Hendrycks & Gimpel 2016).

    Φ(x) = ½ erfc(-x/√2), computed in float64 with full relative precision. So has y for every x, and its derivative
    Φ(x) + x φ(x) except near its zero at x = -0.7518. The paper (arXiv:1606.08415, section 2) also gives a form with
    tanh, ``½ x (1 + tanh(u))`` with ``u = √(2/π) (x + 0.044715 x³)``, which differs by less than 4.8e-4 (most near
    ``|x| = 2.7``) and is faster. It is computed as ``x σ(2u)``, with full relative precision in float32 and a relative
    error of about ``|2u|`` units in the last place in float64. The compiled loop of a Scan computes the form with tanh,
    whose absolute error is a few ``1e-7 |x|`` in float32. ``backward`` is the exact derivative of the form in use.

    Parameters
    ----------
    approximate : bool
        Use the form with tanh.

    Examples
    --------
    >>> import numpy as np
    >>> GELU().forward(np.array([[0.0, 1.0, 100.0]])).round(4)
    array([[  0.    ,   0.8413, 100.    ]])
    >>> GELU(approximate=True).forward(np.array([[0.0, 1.0, 100.0]])).round(4)
    array([[  0.    ,   0.8412, 100.    ]])
    """

    approximate: bool = False

    elementwise = True

    def check(self) -> None:
        require(isinstance(self.approximate, bool), self, "approximate", "True or False")

    def apply(self, x: Any) -> tuple[Any, Any]:
        if self.approximate and inside_scan(x):
            return by_tanh(x)
        with np.errstate(under="ignore"):
            y, slope = (by_logistic if self.approximate else exact)(x.astype("float64"))
            return y.astype(x.dtype), slope.astype(x.dtype)

    def pull(self, slope: Any, error: Any) -> Any:
        return error * slope


def exact(x: Any) -> tuple[Any, Any]:
    """Return ``x Φ(x)`` and its derivative, from ``max(x, 0) - |x| Q(|x|)`` with ``Q(a) = Φ(-a)``, in float64."""
    a = np.minimum(np.abs(x), SATURATED)
    tail = scaled_tail(a)
    slope = times_gaussian(tail - DENSITY * a, a)
    return np.maximum(x, 0.0) - times_gaussian(a * tail, a), np.where(x > 0.0, 1.0 - slope, slope)


def by_logistic(x: Any) -> tuple[Any, Any]:
    """Return ``x σ(2u)`` and its derivative."""
    clipped = np.minimum(np.maximum(x, -EDGE), EDGE)
    twice = clipped * (2.0 * SCALE + 2.0 * SCALE * CUBIC * clipped * clipped)
    s, rest = logistic(twice), logistic(-twice)
    slope = s + clipped * s * rest * (2.0 * SCALE + 6.0 * SCALE * CUBIC * clipped * clipped)
    return np.maximum(x, -EDGE) * s, slope


def by_tanh(x: Any) -> tuple[Any, Any]:
    """Return ``½ x (1 + tanh(u))`` and its derivative, with few operations."""
    clipped = np.minimum(np.maximum(x, -FLAT), FLAT)
    t = np.tanh(clipped * (SCALE + SCALE * CUBIC * clipped * clipped))
    slope = 0.5 * clipped * (1.0 - t * t) * (SCALE + 3.0 * SCALE * CUBIC * clipped * clipped)
    return 0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + slope
