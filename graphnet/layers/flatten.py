"""Images as rows of features."""

from __future__ import annotations

from math import prod
from typing import Any

from graphnet.core.describe.axes import FEATURE
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.rows import check_rows, kept


class Flatten(Layer):
    """``(batch, …) -> (batch, features)``, in row-major order; sequences keep their time axis: ``(time, batch, …)``.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten().forward(np.zeros((5, 3, 4, 4))).shape
    (5, 48)
    """

    def infer(self, x: Shape) -> Shape:
        check_rows(x, self)
        leading = kept(x)
        rest = x.sizes[leading:]
        return x.leading(leading).extended(FEATURE, None if None in rest else prod(n or 0 for n in rest))

    def apply(self, x: Any, *, shapes: Any) -> tuple[Any, Any]:
        return x.reshape(*x.shape[: kept(shapes[0])], -1), x.shape

    def pull(self, shape: Any, error: Any) -> Any:
        return error.reshape(shape)
