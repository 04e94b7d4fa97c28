"""Gradient clipping inside a recurrence."""

from typing import Any

import numpy as np

from graphnet import Layer
from graphnet_recurrent.layers.checks import check_limit


class ClipError(Layer):
    """``y = x``; in the backward pass ``min(max(error, -limit), limit)``, elementwise.

    Where a state enters its cell, this keeps the error from growing without bound from step to step (Graves 2013,
    arXiv:1308.0850, section 2.1: "clipping the derivative"). The result is not the derivative of the loss.

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
        check_limit(self, "limit")

    def apply(self, x: Any) -> tuple[Any, Any]:
        return x, None

    def pull(self, saved: Any, error: Any) -> Any:
        return np.minimum(np.maximum(error, -self.limit), self.limit)
