"""Products of matrices with few rows and very many columns, in pieces that BLAS multiplies without packing.

OpenBLAS packs the operands of a product before it multiplies them, unless there are at most a million multiplications
(if it has kernels for that, such as those for AVX-512). With few rows, packing costs more than the product.
"""

from typing import Any

import numpy as np

#: Multiplications in a piece.
PIECE = 1_000_000
#: Minimum number of columns in a piece; narrower pieces are not faster.
MIN_COLUMNS = 256


def wide_matmul(a: Any, b: Any) -> Any:
    """Return ``a @ b`` for a small ``a`` and a wide ``b``.

    Examples
    --------
    >>> wide_matmul(np.ones((2, 3)), np.ones((3, 400_000))).sum()
    np.float64(2400000.0)
    """
    width, columns = PIECE // a.size, b.shape[1]
    if not MIN_COLUMNS <= width < columns:
        return a @ b
    y = np.empty((len(a), columns), np.result_type(a, b))
    np.matmul(a, _pieces(b, width), out=_pieces(y, width))
    rest = columns - columns % width
    np.matmul(a, b[:, rest:], out=y[:, rest:])
    return y


def wide_inner(a: Any, b: Any) -> Any:
    """Return ``a @ b.T`` for two wide matrices with few rows.

    Examples
    --------
    >>> wide_inner(np.ones((2, 400_000)), np.ones((3, 400_000)))
    array([[400000., 400000., 400000.],
           [400000., 400000., 400000.]])
    """
    width, columns = PIECE // (len(a) * len(b)), a.shape[1]
    if not MIN_COLUMNS <= width < columns:
        return a @ b.T
    total = np.matmul(_pieces(a, width), _pieces(b, width).transpose(0, 2, 1)).sum(0)
    rest = columns - columns % width
    return total + a[:, rest:] @ b[:, rest:].T


def _pieces(x: Any, width: int) -> Any:
    """``(rows, columns)`` as a view ``(pieces, rows, width)``, without the columns of an incomplete piece."""
    count = x.shape[1] // width
    return x[:, : count * width].reshape(len(x), count, width).transpose(1, 0, 2)
