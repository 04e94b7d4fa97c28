"""The Euclidean norm of several arrays, without overflow or underflow of the squares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
#: Sums of squares above this, for each number, lose less to underflow than to rounding.
SAFE = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)


def euclidean(arrays: Iterable[Array]) -> float:
    """The square root of the sum of all squares of all arrays, in float64; 0 if there are no numbers.

    It overflows only if the norm itself does, and is 0 only if all numbers are: if the squares would be too large or
    too small, all numbers are divided by the largest one first. NaN if any number is NaN, else infinity if any is
    infinite.

    Parameters
    ----------
    arrays : iterable of arrays
        Any shapes; real numbers of any dtype.

    Examples
    --------
    >>> round(euclidean([np.array([3e200]), np.array([[4e200, 0.0]])]) / 1e200, 9)
    5.0
    """
    flat = [np.asarray(array, np.float64).reshape(-1) for array in arrays]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = math.fsum(_finite_or_inf(float(np.dot(array, array))) for array in flat)
    if math.isfinite(squares) and squares > SAFE * sum(array.size for array in flat):
        return math.sqrt(squares)
    return _scaled(flat)


def _finite_or_inf(value: float) -> float:
    """Infinity for NaN: both need a second computation, and math.fsum raises an error for some sums of them."""
    return math.inf if math.isnan(value) else value


def _scaled(flat: list[Array]) -> float:
    tops = [float(np.max(np.abs(array), initial=0.0)) for array in flat]
    if any(map(math.isnan, tops)):
        return math.nan
    top = max(tops, default=0.0)
    if top == 0.0 or math.isinf(top):
        return top
    with np.errstate(under="ignore"):
        return top * math.sqrt(math.fsum(float(np.sum(np.square(array / top))) for array in flat))
