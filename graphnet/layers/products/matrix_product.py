"""The product of two matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.products.shapes import check_equal, extended, last_axes, leading
from graphnet.layers.unbroadcast import unbroadcast


class MatrixProduct(Layer):
    """``y[…, i, k] = Σ_j a[…, i, j] · b[…, j, k]``: ``(batch, …, m, n), (batch, …, n, p) -> (batch, …, m, p)``.

    It is ``a @ b`` of two values that have a matrix in each row, or in each ``(batch, head)``. Axes before those of the
    matrices broadcast by numpy's rule.

    Raises
    ------
    ShapeError
        If an input has no matrix in each row, or sizes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> MatrixProduct().forward(np.array([[[1.0, 2.0]]]), np.array([[[3.0], [4.0]]]))
    array([[[11.]]])
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        rows = leading(self, (a, 2), (b, 2))
        check_equal(self, a, -1, b, -2)
        return extended(rows, *last_axes(a, -2), *last_axes(b, -1))

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        return np.matmul(a, b), (a, b)

    def pull(self, saved: Any, error: Any) -> Any:
        a, b = saved
        for_a = np.matmul(error, np.swapaxes(b, -1, -2))
        for_b = np.matmul(np.swapaxes(a, -1, -2), error)
        return unbroadcast(for_a, a.shape), unbroadcast(for_b, b.shape)
