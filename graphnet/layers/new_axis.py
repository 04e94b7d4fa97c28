"""One more axis of size 1."""

from __future__ import annotations

from typing import Any

from graphnet.core.checks import is_python_int
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet.layers.rows import check_rows, kept

#: The name of a new axis.
NAME = "one"


class NewAxis(Layer):
    """An axis of size 1 inside each row, as ``np.expand_dims(x, axis)``: ``x[..., None]``, ``x[:, None]``.

    The value can then be combined elementwise with values that have more axes.

    Parameters
    ----------
    axis : int
        The position of the axis in the result; -1: the last axis. It follows the axes of the rows (batch; time and
        batch).

    Raises
    ------
    ShapeError
        If the result has no such axis, or it would come before the axes of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> NewAxis(-2).forward(np.array([[1.0, 2.0], [3.0, 4.0]])).shape
    (2, 1, 2)
    """

    axis: int = -1

    def check(self) -> None:
        require(is_python_int(self.axis) and self.axis != 0, self, "axis", "an integer other than 0")

    def infer(self, x: Shape) -> Shape:
        check_rows(x, self)
        rank = x.rank + 1
        position = self.axis % rank
        if not -rank <= self.axis < rank or position < kept(x):
            raise ShapeError(
                "not a place for an axis inside the rows of the value",
                where=repr(self),
                expected=f"a place after {x.names[kept(x) - 1]}",
                received=f"axis {self.axis} of the {rank} axes of the result, from {x}",
            )
        names, sizes = list(x.names), list(x.sizes)
        names.insert(position, NAME)
        sizes.insert(position, 1)
        return Shape(tuple(names), tuple(sizes), declared=False)

    def apply(self, x: Any) -> tuple[Any, Any]:
        index: list[Any] = [slice(None)] * x.ndim
        index.insert(self.axis % (x.ndim + 1), None)
        return x[tuple(index)], x.shape

    def pull(self, shape: Any, error: Any) -> Any:
        return error.reshape(shape)
