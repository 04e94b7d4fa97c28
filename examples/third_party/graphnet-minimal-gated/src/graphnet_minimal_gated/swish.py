"""Swish, a smooth activation between a linear function and a ReLU."""

from __future__ import annotations

from typing import Any, ClassVar

from graphnet import Layer
from graphnet.authoring import logistic, require


class Swish(Layer):
    """``y = x · σ(beta · x)``, elementwise (Ramachandran, Zoph & Le 2017, arXiv:1710.05941, section 4).

    With s = σ(beta · x): ``dy/dx = s + beta · x · s · (1 - s)``. ``graphnet.authoring.logistic`` computes σ without
    overflow or loss of small values.

    Parameters
    ----------
    beta : float
        Above 0; for small values the layer is close to ``x / 2``, for large ones to a ReLU.

    Raises
    ------
    ConfigError
        If ``beta`` is not a finite number above 0.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Swish()
    >>> layer.forward(np.array([[-100.0, 0.0, 100.0]])).round(4) + 0.0
    array([[  0.,   0., 100.]])
    >>> layer.backward(np.array([[1.0, 1.0, 1.0]])).round(4) + 0.0
    array([[0. , 0.5, 1. ]])
    """

    beta: float = 1.0

    #: Each element of the output depends only on the same element of the input.
    elementwise: ClassVar[bool] = True

    def check(self) -> None:
        """Raise ConfigError if beta is not a finite number above 0."""
        number = isinstance(self.beta, (int, float)) and not isinstance(self.beta, bool)
        require(number and 0 < self.beta < float("inf"), self, "beta", "a finite number above 0")

    def apply(self, x: Any) -> tuple[Any, Any]:
        """Return the output, and the input and its σ for ``pull``."""
        s = logistic(self.beta * x)
        return x * s, (x, s)

    def pull(self, saved: Any, error: Any) -> Any:
        """Return the error for the input."""
        x, s = saved
        return error * (s + self.beta * x * s * (1 - s))
