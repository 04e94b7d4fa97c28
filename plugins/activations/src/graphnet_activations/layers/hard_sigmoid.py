"""The piecewise linear sigmoid."""

from typing import Any

import numpy as np

from graphnet import Layer


class HardSigmoid(Layer):
    """``y = min(max(x + 3, 0), 6) / 6``, elementwise; range [0, 1].

    The slope is 1/6, as in torch (and ONNX with alpha = 1/6; its default is 0.2). dy/dx is 1/6 where -3 < x < 3, else
    0 (also at ±3).

    Examples
    --------
    >>> import numpy as np
    >>> HardSigmoid().forward(np.array([[-4.0, 0.0, 1.5, 3.0]]))
    array([[0.  , 0.5 , 0.75, 1.  ]])
    """

    elementwise = True

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.minimum(np.maximum(x + 3.0, 0.0), 6.0) / 6.0, x

    def pull(self, x: Any, error: Any) -> Any:
        return error / 6.0 * ((x > -3.0) & (x < 3.0))
