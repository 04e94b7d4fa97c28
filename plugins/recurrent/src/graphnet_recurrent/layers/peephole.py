"""Peephole weights: one factor per feature."""

from dataclasses import field
from typing import Any

from graphnet import Layer, Shape, ShapeError, Weight
from graphnet.authoring import positive


class Peephole(Layer):
    """``y = x ⊙ weights``, one weight per feature: the product with a diagonal matrix.

    Connects a cell state to a gate (Gers & Schmidhuber 2000). The input may have any number of axes before the last.
    ``weights`` is ``(units,)``, with fan_in = fan_out = 1.

    Parameters
    ----------
    units : int
        Features of the input and of the output.
    dtype : {'float64', 'float32'}
        Of the weights.

    Raises
    ------
    ShapeError
        If the last axis of the input does not have size ``units``.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Peephole(2)
    >>> layer.set_weights([3.0, -1.0])
    >>> layer.forward(np.array([[1.0, 10.0]]))
    array([[  3., -10.]])
    """

    units: int
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "units")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        return {"weights": Weight((self.units,), fan_in=1, fan_out=1)}

    def infer(self, x: Shape) -> Shape:
        if x.rank < 2 or x.size(-1) not in (None, self.units):
            expected = f"(batch, …, feature={self.units})"
            raise ShapeError("the input does not match the weights", where=repr(self), expected=expected, received=x)
        return x.resized(-1, self.units)

    def apply(self, x: Any, *, weights: Any) -> tuple[Any, Any]:
        return x * weights, x

    def pull(self, x: Any, error: Any, *, weights: Any) -> Any:
        return error * weights

    def grad(self, x: Any, error: Any) -> dict[str, Any]:
        return {"weights": (x * error).reshape(-1, self.units).sum(0)}
