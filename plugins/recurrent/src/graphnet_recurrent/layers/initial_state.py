"""A trained initial state."""

from dataclasses import field
from typing import Any

import numpy as np

from graphnet import Layer, Shape, Weight
from graphnet_recurrent.layers.checks import batch_size, state_shape, state_sizes


class InitialState(Layer):
    """``y_b = weights`` for each row b of the sequences x: ``(time, batch, …) -> (batch, *units)``.

    Only the batch size of x is used; x gets no error. ``weights`` has the sizes ``units`` and starts at zeros, like an
    initial state that is not trained; it is a bias, so it is not regularized.

    Parameters
    ----------
    units : int or tuple of int
        The sizes of the state without the batch axis: a width, or ``(key, value)`` for a matrix.
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

    units: int | tuple[int, ...]
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        self._sizes = state_sizes(self, "units")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        return {"weights": Weight(self._sizes, kind="bias", value=0.0)}

    def infer(self, x: Shape) -> Shape:
        return state_shape(batch_size(x, self), self._sizes)

    def apply(self, x: Any, *, weights: Any, shapes: Any) -> tuple[Any, Any]:
        return np.tile(weights, (batch_size(shapes[0], self) or 0, *[1] * len(self._sizes))), None

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        return None

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        return {"weights": error.sum(0)}
