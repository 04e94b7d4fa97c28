"""The Gaussian error linear unit."""

import math
from typing import Any

import numpy as np

from graphnet import Layer, require
from graphnet_activations.erf import erf

#: √(2/π) and the cubic coefficient of the approximation.
SCALE, CUBIC = math.sqrt(2.0 / math.pi), 0.044715
#: Beyond this Φ is 0 or 1 in float64; powers of x need not be formed there, so nothing over- or underflows.
SATURATED = 12.0
HALF_ROOT, DENSITY = math.sqrt(0.5), 1.0 / math.sqrt(2.0 * math.pi)


class GELU(Layer):
    """``y = x · Φ(x)``, elementwise, with Φ the standard normal distribution function (Hendrycks & Gimpel 2016).

    Φ(x) = ½ (1 + erf(x/√2)), to the accuracy of float64. The paper (arXiv:1606.08415, section 2) also gives a form
    with tanh, ``½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))``, which differs by less than 4.8e-4 everywhere (most near
    |x| = 2.7) and takes less time. ``backward`` is the exact derivative of the form in use.

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
        near = np.minimum(np.maximum(x, -SATURATED), SATURATED)
        t = np.tanh(near * (SCALE + SCALE * CUBIC * near * near)) if self.approximate else erf(near * HALF_ROOT)
        return 0.5 * x * (1.0 + t), (near, t)

    def pull(self, saved: Any, error: Any) -> Any:
        near, t = saved
        if self.approximate:
            slope = 0.5 * near * (1.0 - t * t) * (SCALE + 3.0 * SCALE * CUBIC * near * near)
        else:
            slope = near * (DENSITY * np.exp(-0.5 * near * near))
        return error * (0.5 * (1.0 + t) + slope)
