"""The product of two values that are matrices in each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import broadcast


class MatrixProduct(Layer):
    """``y = a · b``: the matrix product over the last two axes; the axes before them broadcast by numpy's rule.

    With the error e of y, the errors are ``e · bᵀ`` for a and ``aᵀ · e`` for b.

    Raises
    ------
    ShapeError
        If a value has fewer than three axes, the inner sizes differ, or the other axes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.array([[[1.0, 2.0]]]), np.array([[[3.0], [4.0]]])
    >>> MatrixProduct().apply(a, b)[0]
    array([[[11.]]])
    """

    def infer(self, a: Shape, b: Shape) -> Shape:
        if min(a.rank, b.rank) < 3 or None not in (a.sizes[-1], b.sizes[-2]) and a.sizes[-1] != b.sizes[-2]:
            raise ShapeError("the values have no matrix product", where=repr(self),
                             expected="(batch, …, m, k) and (batch, …, k, n)", received=f"{a} and {b}")  # fmt: skip
        leading = broadcast([a.leading(a.rank - 2), b.leading(b.rank - 2)])
        names = (*leading.names, f"axis{leading.rank}", f"axis{leading.rank + 1}")
        return Shape(names, (*leading.sizes, a.sizes[-2], b.sizes[-1]), False)

    def apply(self, a: Any, b: Any) -> tuple[Any, Any]:
        return np.matmul(a, b), (a, b)

    def pull(self, saved: Any, error: Any) -> Any:
        a, b = saved
        return (
            _summed(np.matmul(error, np.swapaxes(b, -1, -2)), a.shape),
            _summed(np.matmul(np.swapaxes(a, -1, -2), error), b.shape),
        )


def _summed(error: Any, shape: tuple[int, ...]) -> Any:
    """The error of a value that was broadcast."""
    if error.ndim > len(shape):
        error = error.sum(tuple(range(error.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and error.shape[i] != 1)
    return error.sum(axes, keepdims=True) if axes else error
