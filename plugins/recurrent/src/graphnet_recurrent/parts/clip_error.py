"""An error that is clipped on its way back."""

import math
from typing import Any

import numpy as np

from graphnet import Layer
from graphnet.authoring import require


class ClipError(Layer):
    """``y = x``; on the way back ``error = min(max(error, -limit), limit)``, elementwise.

    Put where a state enters its cell, it keeps errors from growing without bound from step to step (Graves 2013,
    arXiv:1308.0850, section 2.1: "clipping the derivative"). What comes back is then no derivative of the loss.

    Parameters
    ----------
    limit : float
        Above 0.

    Examples
    --------
    >>> import numpy as np
    >>> layer = ClipError(1.0)
    >>> layer.forward(np.array([[5.0, 6.0, 7.0]])), layer.backward(np.array([[-3.0, 0.5, 2.0]]))
    (array([[5., 6., 7.]]), array([[-1. ,  0.5,  1. ]]))
    """

    limit: float

    def check(self) -> None:
        real = isinstance(self.limit, (int, float)) and not isinstance(self.limit, bool)
        require(real and self.limit > 0 and math.isfinite(self.limit), self, "limit", "a finite number above 0")

    def apply(self, x: Any) -> tuple[Any, Any]:
        return x, None

    def pull(self, saved: Any, error: Any) -> Any:
        return np.minimum(np.maximum(error, -self.limit), self.limit)
