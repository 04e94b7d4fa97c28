"""A trained initial state."""

from dataclasses import field
from typing import Any

import numpy as np

from graphnet import Layer, Shape, Weight
from graphnet.authoring import positive
from graphnet_recurrent.layers.checks import batch_size


class InitialState(Layer):
    """``y_b = weights`` for each row b of the sequences x: ``(time, batch, …) -> (batch, units)``.

    Only the batch size of x is used; x gets no error. ``weights`` is ``(units,)`` and starts at zeros, like an initial
    state that is not trained; it is a bias, so it is not regularized.

    Parameters
    ----------
    units : int
    dtype : {'float64', 'float32'}
        Of the weights.

    Raises
    ------
    ShapeError
        If x has no axis besides time.

    Examples
    --------
    >>> import numpy as np
    >>> layer = InitialState(2)
    >>> layer.set_weights([1.0, 2.0])
    >>> layer.forward(np.zeros((7, 3, 4)))
    array([[1., 2.],
           [1., 2.],
           [1., 2.]])
    """

    units: int
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "units")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        return {"weights": Weight((self.units,), kind="bias", value=0.0)}

    def infer(self, x: Shape) -> Shape:
        return Shape(("batch", "feature"), (batch_size(x, self), self.units))

    def apply(self, x: Any, *, weights: Any, shapes: Any) -> tuple[Any, Any]:
        return np.tile(weights, (batch_size(shapes[0], self) or 0, 1)), None

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        return None

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        return {"weights": error.sum(0)}
