"""Two axes of each row exchanged."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.checks import is_python_int
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.shapes import Shape
from graphnet.layers.inner_axes import inner_position
from graphnet.layers.rows import check_rows


class SwapAxes(Layer):
    """Two axes inside each row exchanged, as ``np.swapaxes(x, first, second)``; by default a matrix is transposed.

    Parameters
    ----------
    first, second : int
        Axes after those of the rows (batch; time and batch).

    Raises
    ------
    ShapeError
        If an axis does not exist, or numbers the rows.

    Examples
    --------
    >>> import numpy as np
    >>> SwapAxes().forward(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[1., 3.],
            [2., 4.]]])
    """

    first: int = -2
    second: int = -1

    def check(self) -> None:
        for name in ("first", "second"):
            axis = getattr(self, name)
            require(is_python_int(axis) and axis != 0, self, name, "an integer other than 0")

    def infer(self, x: Shape) -> Shape:
        check_rows(x, self)
        order = list(range(x.rank))
        a, b = (inner_position(x, axis, self) for axis in (self.first, self.second))
        order[a], order[b] = b, a
        return Shape(tuple(x.names[i] for i in order), tuple(x.sizes[i] for i in order), declared=False)

    def apply(self, x: Any) -> tuple[Any, Any]:
        return np.swapaxes(x, self.first, self.second), None

    def pull(self, saved: Any, error: Any) -> Any:
        return np.swapaxes(error, self.first, self.second)
