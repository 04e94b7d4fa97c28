"""The exponential linear unit."""

from typing import Any

import numpy as np

from graphnet import Layer
from graphnet_activations.checks import require_finite


class ELU(Layer):
    """``y = x`` where x > 0, else ``alpha · (exp(x) - 1)``, elementwise; range (-alpha, ∞).

    Clevert, Unterthiner & Hochreiter 2016 (ICLR), equation 15. dy/dx is 1 where x > 0, else ``alpha · exp(x)``; it is
    not computed as ``y + alpha``, which loses all digits for x far below 0. Only numbers of at most 0 are
    exponentiated, so nothing overflows.

    Parameters
    ----------
    alpha : float, at least 0
        y approaches ``-alpha`` for x → -∞.

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
        require_finite(self, "alpha", 0.0)

    def apply(self, x: Any) -> tuple[Any, Any]:
        with np.errstate(under="ignore"):
            return np.maximum(x, 0.0) + self.alpha * np.expm1(np.minimum(x, 0.0)), x

    def pull(self, x: Any, error: Any) -> Any:
        above = x > 0.0
        with np.errstate(under="ignore"):
            return error * (self.alpha * np.exp(np.minimum(x, 0.0)) * ~above + above)
