"""The product of a matrix and a vector."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.products.shapes import check_equal, extended, last_axes, leading
from graphnet.layers.unbroadcast import unbroadcast


class MatrixVector(Layer):
    """``y[…, i] = Σ_j m[…, i, j] · v[…, j]``: ``(batch, …, m, n), (batch, …, n) -> (batch, …, m)``.

    Each row, or each ``(batch, head)``, has its own matrix, such as a state; it is ``np.matvec(m, v)``. Axes before
    those of the matrix broadcast by numpy's rule. With the transpose of the matrix: :class:`VectorMatrix`.

    Raises
    ------
    ShapeError
        If the matrix or the vector lacks an axis, or sizes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> MatrixVector().forward(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[1.0, 10.0]]))
    array([[21., 43.]])
    """

    def infer(self, m: Shape, v: Shape) -> Shape:
        rows = leading(self, (m, 2), (v, 1))
        check_equal(self, m, -1, v, -1)
        return extended(rows, *last_axes(m, -2))

    def apply(self, m: Any, v: Any) -> tuple[Any, Any]:
        return (m * v[..., None, :]).sum(axis=-1), (m, v)

    def pull(self, saved: Any, error: Any) -> Any:
        m, v = saved
        column = error[..., None]
        for_m = column * v[..., None, :]
        for_v = (column * m).sum(axis=-2)
        return unbroadcast(for_m, m.shape), unbroadcast(for_v, v.shape)
