"""Images to the columns that a kernel sees, and back."""

from typing import Any

import numpy as np

Pair = tuple[int, int]


def columns(x: Any, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    """``(batch, channels, y, x)`` to ``(batch, channels · m · n, places)``: what the kernel sees at each place, copied once.

    Whole rows of places are copied at a time, and a product with the kernels then gives images with no transposition.
    """
    (m, n), (sy, sx), (dy, dx) = kernel, stride, dilation
    batch, channels = x.shape[:2]
    if kernel == stride == (1, 1):
        return x.reshape(batch, channels, -1)
    seen = np.lib.stride_tricks.sliding_window_view(x, ((m - 1) * dy + 1, (n - 1) * dx + 1), axis=(2, 3))
    seen = seen[:, :, ::sy, ::sx, ::dy, ::dx].transpose(0, 1, 4, 5, 2, 3)
    return seen.reshape(batch, channels * m * n, -1)


def images(cols: Any, shape: tuple[int, ...], places: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    """The transposed of ``columns``: adds each column up where it was seen; one addition for each cell of the kernel."""
    (m, n), (sy, sx), (dy, dx), (oy, ox) = kernel, stride, dilation, places
    if kernel == stride == (1, 1):
        return cols.reshape(shape)
    total = np.zeros(shape, cols.dtype)
    parts = cols.reshape(shape[0], shape[1], m, n, oy, ox)
    for i in range(m):
        for j in range(n):
            top, left = i * dy, j * dx
            total[:, :, top : top + oy * sy : sy, left : left + ox * sx : sx][:, :, :oy, :ox] += parts[:, :, i, j]
    return total
