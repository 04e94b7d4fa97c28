"""Inverses of many small triangular matrices by products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
#: The size of the blocks on the diagonal at which the halving stops: ``(I + M)^-1 = (I - M)(I + M²)`` if ``M⁴ = 0``.
SMALLEST = 4


def unit_inverse(lower: Array) -> Array:
    """``(I + M)^-1`` for strictly lower triangular matrices ``M`` (..., size, size).

    Halves: ``[[A, 0], [B, C]]^-1 = [[A^-1, 0], [-C^-1 B A^-1, C^-1]]``, for all blocks of one size at once.
    """
    size = lower.shape[-1]
    padded = SMALLEST
    while padded < size:
        padded *= 2
    if padded != size:
        wide = np.zeros((*lower.shape[:-2], padded, padded), lower.dtype)
        wide[..., :size, :size] = lower
        lower = wide
    inverse = np.zeros_like(lower)
    small = diagonal_blocks(lower, SMALLEST)
    diagonal_blocks(inverse, SMALLEST)[...] = (np.eye(SMALLEST, dtype=lower.dtype) - small) @ (
        np.eye(SMALLEST, dtype=lower.dtype) + small @ small
    )
    block = SMALLEST
    while block < padded:
        pairs = diagonal_blocks(inverse, block)
        below = diagonal_blocks(lower, 2 * block)[..., block:, :block]
        diagonal_blocks(inverse, 2 * block)[..., block:, :block] = (
            -(pairs[..., 1::2, :, :] @ below) @ pairs[..., ::2, :, :]
        )
        block *= 2
    return inverse[..., :size, :size]


def diagonal_blocks(matrices: Array, block: int) -> Array:
    """A view of the blocks on the diagonal, (..., blocks, block, block)."""
    count = matrices.shape[-1] // block
    *leading, row, column = matrices.strides
    return np.lib.stride_tricks.as_strided(
        matrices,
        (*matrices.shape[:-2], count, block, block),
        (*leading, block * (row + column), row, column),
    )
