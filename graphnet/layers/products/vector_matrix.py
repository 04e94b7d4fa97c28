"""The product of a vector and a matrix."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.products.shapes import check_equal, extended, last_axes, leading
from graphnet.layers.unbroadcast import unbroadcast


class VectorMatrix(Layer):
    """``y[…, j] = Σ_i v[…, i] · m[…, i, j]``: ``(batch, …, m), (batch, …, m, n) -> (batch, …, n)``.

    It is ``mᵀ v``, and ``np.vecmat(v, m)``: what a query reads from a matrix memory, ``Sᵀ q``. Each row, or each
    ``(batch, head)``, has its own matrix. Axes before those of the matrix broadcast by numpy's rule.

    Raises
    ------
    ShapeError
        If the vector or the matrix lacks an axis, or sizes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> VectorMatrix().forward(np.array([[1.0, 10.0]]), np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[31., 42.]])
    """

    def infer(self, v: Shape, m: Shape) -> Shape:
        rows = leading(self, (v, 1), (m, 2))
        check_equal(self, v, -1, m, -2)
        return extended(rows, *last_axes(m, -1))

    def apply(self, v: Any, m: Any) -> tuple[Any, Any]:
        return (v[..., None] * m).sum(axis=-2), (v, m)

    def pull(self, saved: Any, error: Any) -> Any:
        v, m = saved
        row = error[..., None, :]
        for_v = (m * row).sum(axis=-1)
        for_m = v[..., None] * row
        return unbroadcast(for_v, v.shape), unbroadcast(for_m, m.shape)
