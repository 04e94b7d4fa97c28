"""im2col and its transpose, with the batch as the last axis.

With images as ``(channels, y, x, batch)`` in memory, one matrix product computes a convolution for the whole batch, and
each copy and addition covers contiguous memory, a row of positions times the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Pair = tuple[int, int]

#: Bytes of columns that are computed at a time (at least one row of positions). Columns repeat each cell of the input
#: once for each cell of the kernel, so those of a large image would fill the memory.
BLOCK = 1 << 23


@dataclass(frozen=True)
class Im2Col:
    """The cells that a kernel reads at each position; each field is for y and x. Arrays have the batch last."""

    kernel: Pair
    stride: Pair
    dilation: Pair

    @property
    def trivial(self) -> bool:
        """Whether the columns are the image: a kernel of one cell with stride 1."""
        return self.kernel == self.stride == (1, 1)

    def positions(self, shape: tuple[int, ...]) -> Pair:
        """Return the numbers of positions along y and x in images of ``shape``."""
        axes = zip(shape[1:3], self.kernel, self.stride, self.dilation, strict=True)
        y, x = ((size - (m - 1) * d - 1) // s + 1 for size, m, s, d in axes)
        return y, x

    def blocks(self, x: Any) -> Iterator[Pair]:
        """Yield first and last row of positions of each block, whose columns have at most ``BLOCK`` bytes."""
        rows, columns = self.positions(x.shape)
        row_bytes = x.shape[0] * self.kernel[0] * self.kernel[1] * columns * x.shape[3] * x.itemsize
        step = rows if self.trivial else max(1, BLOCK // row_bytes)
        return ((first, min(first + step, rows)) for first in range(0, rows, step))

    def columns(self, x: Any, rows: Pair) -> Any:
        """Return ``(channels · m · n, positions · batch)`` for rows of positions of ``x (channels, y, x, batch)``."""
        if self.trivial:
            return x[:, slice(*rows)].reshape(len(x), -1)
        (m, n), (sy, sx), (dy, dx) = self.kernel, self.stride, self.dilation
        cells = np.lib.stride_tricks.sliding_window_view(x, ((m - 1) * dy + 1, (n - 1) * dx + 1), axis=(1, 2))
        cells = cells[:, ::sy, ::sx, :, ::dy, ::dx][:, slice(*rows)]
        return cells.transpose(0, 4, 5, 1, 2, 3).reshape(len(x) * m * n, -1)

    def add_columns(self, total: Any, columns: Any, rows: Pair) -> None:
        """Add each column to the cells of ``total (channels, y, x, batch)`` that it was read from (col2im)."""
        channels, _, _, batch = total.shape
        count = self.positions(total.shape)[1]
        cells = columns.reshape(channels, *self.kernel, rows[1] - rows[0], count, batch)
        (sy, sx), (dy, dx) = self.stride, self.dilation
        for i, j in np.ndindex(*self.kernel):
            y, x = rows[0] * sy + i * dy, j * dx
            along_y = slice(y, y + (rows[1] - rows[0] - 1) * sy + 1, sy)
            along_x = slice(x, x + (count - 1) * sx + 1, sx)
            total[:, along_y, along_x] += cells[:, i, j]


def batch_last(x: Any, padding: tuple[Pair, Pair] = ((0, 0), (0, 0))) -> Any:
    """Return ``(batch, channels, y, x)`` as ``(channels, y, x, batch)``, with zeros around the images.

    Without padding, arrays that have the batch last in memory are not copied.
    """
    (top, bottom), (left, right) = padding
    if not top + bottom + left + right:
        return np.ascontiguousarray(x.transpose(1, 2, 3, 0))
    batch, channels, height, width = x.shape
    padded = np.zeros((channels, top + height + bottom, left + width + right, batch), x.dtype)
    padded[:, top : top + height, left : left + width] = x.transpose(1, 2, 3, 0)
    return padded


def batch_first(x: Any) -> Any:
    """Return ``(channels, y, x, batch)`` as ``(batch, channels, y, x)``, a view."""
    return x.transpose(3, 0, 1, 2)
