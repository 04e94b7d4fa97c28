"""A layer with weights."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from graphnet import Layer, Shape, ShapeError, Weight
from graphnet.authoring import positive


class Scale(Layer):
    """``y = x · weights``: one factor for each of ``size`` features, on the last axis.

    ``weights`` is ``(size,)``, with fan_in = fan_out = 1.

    Parameters
    ----------
    size : int
        Number of features of the input and the output; at least 1.
    dtype : {'float64', 'float32'}
        Dtype of the weights.

    Raises
    ------
    ConfigError
        If ``size`` is not a positive integer.
    ShapeError
        If the last axis of the input does not have ``size`` elements.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Scale(2)
    >>> layer.set_weights([3.0, -1.0])
    >>> layer.forward(np.array([[1.0, 10.0]]))
    array([[  3., -10.]])
    """

    size: int
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        """Raise ConfigError if the size is not a positive integer."""
        positive(self, "size")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        """Return the shapes of the weights; initializers such as Xavier use the fans."""
        return {"weights": Weight((self.size,), fan_in=1, fan_out=1)}

    def infer(self, x: Shape) -> Shape:
        """Return the shape of the output: that of the input, with the number of features."""
        if x.rank < 2 or x.size(-1) not in (None, self.size):
            expected = f"(batch, …, feature={self.size})"
            raise ShapeError("wrong number of features", where=repr(self), expected=expected, received=x)
        return x.resized(-1, self.size)

    def apply(self, x: Any, *, weights: Any) -> tuple[Any, Any]:
        """Return the output, and the input for ``grad``."""
        return x * weights, x

    def pull(self, x: Any, error: Any, *, weights: Any) -> Any:
        """Return the error for the input."""
        return error * weights

    def grad(self, x: Any, error: Any) -> dict[str, Any]:
        """Return the gradient of the weights, summed over all axes but the last."""
        return {"weights": (x * error).reshape(-1, self.size).sum(0)}
