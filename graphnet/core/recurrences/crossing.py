"""Sums over all pairs of steps on both sides of each step of a chunk, without differences of larger sums.

The error of the logarithm of a decay is a sum over the pairs of an earlier key and a later query, each of which has
that decay as a factor. As a difference of sums over all keys and all queries it has their rounding errors, which a
division by a small decay magnifies.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from graphnet.core.recurrences.triangular import diagonal_blocks

Array = Any


@lru_cache(maxsize=64)
def ones(size: int, dtype: str, later: bool) -> Array:
    """The matrix of sums over later rows and the row itself, or over earlier rows."""
    square = np.ones((size, size), dtype)
    made: Array = np.triu(square) if later else np.tril(square, -1)
    made.flags.writeable = False
    return made


def crossing(queries: Array, keys: Array, products: Array) -> Array:
    """``c_t = Σ_{s < t <= r} q_r ∘ k_s · g_rs`` for all steps t.

    The steps are halved: pairs of a step of the first half and one of the second cross all steps between them.

    Parameters
    ----------
    queries, keys : array (..., size, n)
    products : array (..., size, size)

    Returns
    -------
    array (..., size, n)
    """
    size = products.shape[-1]
    wide = 1 << max(1, (size - 1).bit_length())
    if wide != size:
        missing = wide - size
        queries, keys = (np.concatenate([a, np.zeros((*a.shape[:-2], missing, a.shape[-1]), a.dtype)], -2)
                         for a in (queries, keys))  # fmt: skip
        larger = np.zeros((*products.shape[:-2], wide, wide), products.dtype)
        larger[..., :size, :size] = products
        products = larger
    leading = np.broadcast_shapes(queries.shape[:-2], keys.shape[:-2], products.shape[:-2])
    total = np.zeros((*leading, wide, queries.shape[-1]), products.dtype)
    half = wide // 2
    while half:
        first, second = slice(None, half), slice(half, None)
        q, k, found = (_blocks(a, 2 * half) for a in (queries, keys, total))
        q, k = q[..., second, :], k[..., first, :]
        g = diagonal_blocks(products, 2 * half)[..., second, first]
        char = products.dtype.char
        found[..., second, :] += ones(half, char, True) @ (q * (g @ k))
        if half > 1:
            found[..., first, :] += ones(half, char, False) @ (k * (g.swapaxes(-1, -2) @ q))
        half //= 2
    return total[..., :size, :]


def _blocks(array: Array, size: int) -> Array:
    """A view of the rows in blocks, (..., blocks, size, n)."""
    return array.reshape(*array.shape[:-2], -1, size, array.shape[-1])
