"""Powers with a constant exponent."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer, require
from graphnet.layers.checks import finite

#: Whole exponents up to this one are computed by multiplications.
MULTIPLIED = 32


class ScalarPower(Layer):
    """``y = x ** exponent``, elementwise, as in ``x**2``; dy/dx = exponent · x ** (exponent - 1).

    Whole exponents from -32 to 32 are computed by squaring and multiplying. With any other exponent the result is NaN
    where x is negative and the exponent is not whole.

    Parameters
    ----------
    exponent : float
        Finite; -1 gives the reciprocal.

    Examples
    --------
    >>> import numpy as np
    >>> ScalarPower(3).forward(np.array([[2.0, -1.0]]))
    array([[ 8., -1.]])
    """

    exponent: float

    elementwise = True

    def check(self) -> None:
        require(finite(self.exponent), self, "exponent", "a finite number")

    def apply(self, x: Any) -> tuple[Any, Any]:
        return raised(x, self.exponent), x

    def pull(self, x: Any, error: Any) -> Any:
        if self.exponent == 0:
            return error * 0.0
        if self.exponent == 1:
            return error
        return error * (self.exponent * raised(x, self.exponent - 1.0))


def raised(x: Any, exponent: float) -> Any:
    """``x ** exponent``."""
    if exponent == 0.5:
        return np.sqrt(x)
    whole = int(exponent)
    if whole != exponent or abs(whole) > MULTIPLIED:
        return np.power(x, float(exponent))
    if whole == 0:
        return np.ones_like(x)
    power = _product(x, abs(whole))
    return power if whole > 0 else 1.0 / power


def _product(x: Any, count: int) -> Any:
    """The product of ``count`` factors x."""
    if count == 1:
        return x
    half = _product(x, count // 2)
    return half * half * x if count % 2 else half * half
