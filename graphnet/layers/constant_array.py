"""An array of numbers that are not trained."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.layers.array_field import checked_array, described, nested
from graphnet.layers.spread import spread, spread_shape


class ConstantArray(Layer):
    """``y = value`` for each row of x: what ``x * np.array([1.0, 2.0])`` multiplies by.

    Only the axes of the rows of x are used, ``(batch,)`` or ``(time, batch)``; the axes of the array follow. An array
    with fewer axes than a row of x has axes of size 1 before its own, as in numpy's broadcasting. x gets no error.
    The numbers are configuration: a model file holds them, and a file of weights does not.

    Parameters
    ----------
    value : float, or array_like of float
        Finite, at most 65,536 numbers; arrays are stored as nested tuples.

    Raises
    ------
    ConfigError
        If it does not hold finite numbers, or too many.
    ShapeError
        If the array has more axes than a row of x.

    Examples
    --------
    >>> import numpy as np
    >>> ConstantArray([1.0, 2.0]).forward(np.zeros((3, 5)))
    array([[1., 2.],
           [1., 2.],
           [1., 2.]])
    """

    value: float | tuple[Any, ...]

    def check(self) -> None:
        self._array = checked_array(self.value, "ConstantArray", "value")
        self.value = nested(self._array)

    def constants(self) -> dict[str, Array]:
        return {"value": self._array}

    def infer(self, x: Shape) -> Shape:
        return spread_shape(x, self._array.shape or (1,), self)

    def apply(self, x: Any, *, value: Any, shapes: Any) -> tuple[Any, Any]:
        return spread(value, x, self.infer(shapes[0])), None

    def pull(self, saved: Any, error: Any) -> Any:
        return None

    def __repr__(self) -> str:
        return f"ConstantArray(value={described(self._array)})"
