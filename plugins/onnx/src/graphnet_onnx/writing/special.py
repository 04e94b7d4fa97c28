"""The normal distribution and the ufuncs of scipy.special that belong to it, as operators of ONNX."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from graphnet_onnx.writing.ufuncs import composed


def normal_probability(x: Any) -> Any:
    """The distribution function of the standard normal distribution, ``½ erfc(-x / √2)``, in arithmetic.

    For 0 ≤ z, ``erfc(z) = t · exp(-z² + p(t))`` with t = 2 / (2 + z) and the Chebyshev polynomial p of
    :func:`_coefficients`, so the result has full relative precision.
    """
    z = np.abs(x) * np.sqrt(0.5)
    t = 2.0 / (2.0 + z)
    y = 4.0 * t - 2.0
    coefficients = _coefficients()
    d, dd = np.zeros_like(x), np.zeros_like(x)
    for coefficient in coefficients[:0:-1]:
        d, dd = y * d - dd + float(coefficient), d
    exponent = 0.5 * (float(coefficients[0]) + y * d) - dd - z * z
    tail = 0.5 * t * np.exp(exponent)
    return np.where(x < 0.0, tail, 1.0 - tail)


@cache
def _coefficients() -> Any:
    """Chebyshev coefficients of ``log(erfc(z) exp(z²) / t)`` as a function of y = 4t - 2, -2 to 2, t = 2 / (2 + z)."""
    count = 48
    angles = (np.arange(count) + 0.5) * np.pi / count
    t = (np.cos(angles) + 1.0) / 2.0
    z = 2.0 / t - 2.0
    values = np.array([math.log(_scaled(float(each))) for each in z]) - np.log(t)
    return np.array([2.0 / count * float(np.sum(values * np.cos(k * angles))) for k in range(count)])


def _scaled(z: float) -> float:
    """``exp(z²) erfc(z)``: by the continued fraction for large z (Abramowitz and Stegun 1964, 7.1.14)."""
    if z < 6.0:
        return math.exp(z * z) * math.erfc(z)
    below = z
    for n in range(80, 0, -1):
        below = z + 0.5 * n / below
    return 1.0 / (math.sqrt(math.pi) * below)


@composed("erf")
def erf(x: Any) -> Any:
    """Erf; in float64, for which onnxruntime lacks it, by the normal distribution."""
    if x.dtype == np.float32:
        return x.op("Erf", shape=x.shape)
    return 2.0 * normal_probability(x * math.sqrt(2.0)) - 1.0


@composed("erfc")
def _erfc(x: Any) -> Any:
    return 2.0 * normal_probability(x * -math.sqrt(2.0))


@composed("ndtr")
def _ndtr(x: Any) -> Any:
    return normal_probability(x)


@composed("expit")
def _expit(x: Any) -> Any:
    return x.op("Sigmoid", shape=x.shape)


@composed("log_expit")
def _log_expit(x: Any) -> Any:
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))
