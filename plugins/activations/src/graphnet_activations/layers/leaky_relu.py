"""The rectifier with a slope for negative inputs."""

from typing import Any

import numpy as np

from graphnet import Layer
from graphnet_activations.checks import require_finite


class LeakyReLU(Layer):
    """``y = x`` where x > 0, else ``slope · x``, elementwise (Maas, Hannun & Ng 2013, section 2).

    dy/dx is 1 where x > 0, else ``slope`` (also at x = 0).

    Parameters
    ----------
    slope : float
        Any finite number; usually small and positive.

    Raises
    ------
    ConfigError
        If the slope is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> LeakyReLU(0.1).forward(np.array([[-2.0, 0.0, 3.0]]))
    array([[-0.2,  0. ,  3. ]])
    """

    elementwise = True

    slope: float = 0.01

    def check(self) -> None:
        require_finite(self, "slope")

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.maximum(x, 0.0) + self.slope * np.minimum(x, 0.0), x

    def pull(self, x: Any, error: Any) -> Any:
        above = x > 0.0
        return error * above + self.slope * error * ~above
