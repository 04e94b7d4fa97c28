"""Products of few rows with very many columns, cut into pieces that BLAS multiplies as they lie in memory.

OpenBLAS packs the operands of a product before it multiplies them, unless there are at most a million multiplications
(where it has such kernels: those for AVX-512, say). With few rows the packing costs more than the product.
"""

from typing import Any

import numpy as np

#: Multiplications of a piece.
PIECE = 1_000_000
#: Columns that a piece has at least: narrower ones gain nothing.
LEAST = 256


def product(a: Any, b: Any) -> Any:
    """``a @ b`` for a small ``a`` and a wide ``b``.

    Examples
    --------
    >>> product(np.ones((2, 3)), np.ones((3, 400_000))).sum()
    np.float64(2400000.0)
    """
    width, columns = PIECE // a.size, b.shape[1]
    if not LEAST <= width < columns:
        return a @ b
    y = np.empty((len(a), columns), np.result_type(a, b))
    np.matmul(a, _pieces(b, width), out=_pieces(y, width))
    done = columns - columns % width
    np.matmul(a, b[:, done:], out=y[:, done:])
    return y


def inner(a: Any, b: Any) -> Any:
    """``a @ b.T`` where both are wide and have few rows.

    Examples
    --------
    >>> inner(np.ones((2, 400_000)), np.ones((3, 400_000)))
    array([[400000., 400000., 400000.],
           [400000., 400000., 400000.]])
    """
    width, columns = PIECE // (len(a) * len(b)), a.shape[1]
    if not LEAST <= width < columns:
        return a @ b.T
    total = np.matmul(_pieces(a, width), _pieces(b, width).transpose(0, 2, 1)).sum(0)
    done = columns - columns % width
    return total + a[:, done:] @ b[:, done:].T


def _pieces(x: Any, width: int) -> Any:
    """``(rows, columns)`` as a view ``(pieces, rows, width)``; columns that are left over are not in it."""
    count = x.shape[1] // width
    return x[:, : count * width].reshape(len(x), count, width).transpose(1, 0, 2)
