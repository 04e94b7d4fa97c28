"""Images to the columns that a kernel sees, and back."""

from typing import Any

import numpy as np

Pair = tuple[int, int]


def columns(x: Any, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    """``(batch, channels, y, x)`` to ``(batch, channels · m · n, places)``: what the kernel sees at each place.

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
    """The transposed of ``columns``, from ``(channels · m · n, places · batch)`` to images of ``shape``.

    Adds each column up where it was seen, one addition for each cell of the kernel. The batch is last meanwhile, so
    that each addition goes over long unbroken runs of memory.
    """
    batch, channels, height, width = shape
    if kernel == stride == (1, 1):
        return cols.reshape(-1, batch).T.reshape(shape)
    total = np.zeros((channels, height, width, batch), cols.dtype)
    parts = cols.reshape(channels, *kernel, *places, batch)
    for i, j in np.ndindex(*kernel):
        seen_y, seen_x = (
            slice(cell * d, cell * d + (count - 1) * s + 1, s)
            for cell, d, count, s in zip((i, j), dilation, places, stride, strict=True)
        )
        total[:, seen_y, seen_x] += parts[:, i, j]
    return total.reshape(-1, batch).T.reshape(shape)
