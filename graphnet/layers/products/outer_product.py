"""The outer product of two vectors."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.layers.products.shapes import extended, last_axes, leading
from graphnet.layers.unbroadcast import unbroadcast


class OuterProduct(Layer):
    """``y[…, i, j] = a[…, i] · b[…, j]``: ``(batch, …, m), (batch, …, n) -> (batch, …, m, n)``.

    The matrix ``a bᵀ`` of each row, or with heads of each ``(batch, head)``: what a matrix memory ``S ← S + k vᵀ`` adds
    at a step. Axes before the last broadcast by numpy's rule.

    Raises
    ------
    ShapeError
        If an input has no axis besides its rows, or the axes before the last do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> OuterProduct().forward(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0, 5.0]]))
    array([[[ 3.,  4.,  5.],
            [ 6.,  8., 10.]]])
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        return extended(leading(self, (a, 1), (b, 1)), *last_axes(a, -1), *last_axes(b, -1))

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        return a[..., None] * b[..., None, :], (a, b)

    def pull(self, saved: Any, error: Any) -> Any:
        a, b = saved
        for_a = (error * b[..., None, :]).sum(axis=-1)
        for_b = (error * a[..., None]).sum(axis=-2)
        return unbroadcast(for_a, a.shape), unbroadcast(for_b, b.shape)
