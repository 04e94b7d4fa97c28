"""A trained initial state."""

from dataclasses import field
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError, Weight
from graphnet.authoring import positive


class InitialState(Layer):
    """``y_b = weights`` for each row b of the sequences x: ``(time, batch, …) -> (batch, units)``.

    x tells the number of rows and no more; no error goes to it. ``weights`` is ``(units,)`` and starts at zeros, as a
    state does that is not learned; being a bias, it is not regularized.

    Parameters
    ----------
    units : int
    dtype : {'float64', 'float32'}
        Of the weights.

    Raises
    ------
    ShapeError
        If x has no axis beside time.

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
        return Shape(("batch", "feature"), (rows(x, self), self.units))

    def apply(self, x: Any, *, weights: Any, shapes: Any) -> tuple[Any, Any]:
        return np.tile(weights, (rows(shapes[0], self) or 0, 1)), None

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        return None

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        return {"weights": error.sum(0)}


def rows(x: Shape, layer: Layer) -> int | None:
    """The rows of a batch of sequences; one sequence ``(time, feature)`` is one row.

    Raises
    ------
    ShapeError
        If there is no axis beside time.
    """
    if x.rank < 2 or "time" in x.names[1:]:
        raise ShapeError("no sequence", where=repr(layer), expected="(time, batch, …)", received=x)
    x.read_as_sequence(repr(layer))
    return 1 if x.rank == 2 and x.names[1] != "batch" else x.sizes[1]
