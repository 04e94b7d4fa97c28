"""The exponential linear unit."""

from typing import Any

import numpy as np

from graphnet import Layer
from graphnet_activations.checks import finite


class ELU(Layer):
    """``y = x`` where x > 0, else ``alpha · (exp(x) - 1)``, elementwise; range (-alpha, ∞).

    Clevert, Unterthiner & Hochreiter 2016 (ICLR), equation 15. Keeps its activation: dy/dx is 1 where y > 0, else
    ``y + alpha``. The exponential is taken of negative numbers only, so nothing overflows.

    Parameters
    ----------
    alpha : float, at least 0
        Minus the value that y approaches for x → -∞.

    Raises
    ------
    ConfigError
        If alpha is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> ELU(2.0).forward(np.array([[-1e4, 0.0, 3.0]]))
    array([[-2.,  0.,  3.]])
    """

    elementwise = True

    alpha: float = 1.0

    def check(self) -> None:
        finite(self, "alpha", 0.0)

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.maximum(x, 0.0) + self.alpha * np.expm1(np.minimum(x, 0.0))
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        above = y > 0.0
        return error * above + error * (np.minimum(y, 0.0) + self.alpha) * ~above
