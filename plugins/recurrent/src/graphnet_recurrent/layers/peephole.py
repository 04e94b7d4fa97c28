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
    units : int, optional
        Features of the input and of the output; None: taken from the first input.
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

    units: int | None = None
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        positive(self, "units")

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        units = self.units if self.units is not None or not inputs else inputs[0].size(-1)
        if units is None:
            remedy = "Pass it to the constructor, or declare it on the input of the graph."
            raise ShapeError("the size of the input is not known yet", where=repr(self), remedy=remedy)
        return {"weights": Weight((units,), fan_in=1, fan_out=1)}

    def infer(self, x: Shape) -> Shape:
        if x.rank < 2 or (self.units is not None and x.size(-1) not in (None, self.units)):
            expected = f"(batch, …, feature{'' if self.units is None else f'={self.units}'})"
            raise ShapeError("the input does not match the weights", where=repr(self), expected=expected, received=x)
        return x if self.units is None else x.resized(-1, self.units)

    def apply(self, x: Any, *, weights: Any) -> tuple[Any, Any]:
        return x * weights, x

    def pull(self, x: Any, error: Any, *, weights: Any) -> Any:
        return error * weights

    def grad(self, x: Any, error: Any) -> dict[str, Any]:
        return {"weights": (x * error).reshape(-1, x.shape[-1]).sum(0)}
