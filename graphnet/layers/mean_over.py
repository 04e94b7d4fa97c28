"""The mean over axes inside each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.inner_axes import check_axes, count, reduced, with_axes


class MeanOver(Layer):
    """``y = Σ x / n`` over axes inside each row with n elements, as ``np.mean(x, axis, keepdims=…)``.

    Parameters
    ----------
    axis : int or tuple of int
        -1: the features. The axes of the rows (batch; time and batch) are not averaged; over time: MeanOverTime.
    keepdims : bool
        Keep each of the axes, with size 1; otherwise they are dropped.

    Raises
    ------
    ShapeError
        If an axis does not exist or numbers the rows, or no axis besides the rows would be left.

    Examples
    --------
    >>> import numpy as np
    >>> MeanOver(-1, keepdims=True).forward(np.array([[1.0, 2.0], [3.0, 5.0]]))
    array([[1.5],
           [4. ]])
    """

    axis: int | tuple[int, ...] = -1
    keepdims: bool = False

    def check(self) -> None:
        check_axes(self)

    def infer(self, x: Shape) -> Shape:
        return reduced(x, self)

    def apply(self, x: Any) -> tuple[Any, Any]:
        return x.sum(axis=self.axis, keepdims=self.keepdims) * (1.0 / count(x, self)), x

    def pull(self, x: Any, error: Any) -> Any:
        return with_axes(error * (1.0 / count(x, self)), x, self) * np.ones_like(x)
