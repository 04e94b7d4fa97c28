"""The hyperbolic tangent."""

from typing import Any, ClassVar

import numpy as np

from graphnet import Layer


class TanH(Layer):
    """``y = tanh(x)``, elementwise; range [-1, 1], dimensionless.

    Saves its activation, not its input: dy/dx = 1 - y². The absolute error of the slope is below 2e-7 in float32 and
    3e-16 in float64, which matters where ``|y|`` is near 1.

    Examples
    --------
    >>> import numpy as np
    >>> TanH().forward(np.array([[0.0, 1.0]])).round(4)
    array([[0.    , 0.7616]])
    """

    ufunc: ClassVar[str | None] = "tanh"

    def apply(self, x: Any) -> tuple[Any, Any]:
        y = np.tanh(x)
        return y, y

    def pull(self, y: Any, error: Any) -> Any:
        return error * (1.0 - y * y)
