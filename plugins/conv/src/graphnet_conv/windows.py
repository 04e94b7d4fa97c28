"""Images to the columns that a kernel sees, and back; the batch is the last axis.

With images as ``(channels, y, x, batch)`` in memory, one product of matrices does a convolution for the whole batch,
and each copy and addition goes over unbroken runs of memory, as long as a row of places times the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Pair = tuple[int, int]

#: Bytes of columns that are made at a time, at least those of one row of places: columns repeat each cell of the input
#: as often as the kernel has cells, and a large image's would fill the memory.
BLOCK = 1 << 23


@dataclass(frozen=True)
class Window:
    """What a kernel of ``(m, n)`` cells sees at each place; each field is for y and x. Arrays have the batch last."""

    kernel: Pair
    stride: Pair
    dilation: Pair

    @property
    def trivial(self) -> bool:
        """Whether the columns are the image: one cell that goes to every place."""
        return self.kernel == self.stride == (1, 1)

    def places(self, shape: tuple[int, ...]) -> Pair:
        """How many there are in images of ``shape``."""
        each = zip(shape[1:3], self.kernel, self.stride, self.dilation, strict=True)
        y, x = ((size - (m - 1) * d - 1) // s + 1 for size, m, s, d in each)
        return y, x

    def blocks(self, x: Any) -> Iterator[Pair]:
        """Rows of places, from and to, whose columns have at most ``BLOCK`` bytes."""
        rows, across = self.places(x.shape)
        one = x.shape[0] * self.kernel[0] * self.kernel[1] * across * x.shape[3] * x.itemsize
        step = rows if self.trivial else max(1, BLOCK // one)
        return ((first, min(first + step, rows)) for first in range(0, rows, step))

    def columns(self, x: Any, rows: Pair) -> Any:
        """``(channels, y, x, batch)`` to ``(channels · m · n, places · batch)`` for those rows of places."""
        if self.trivial:
            return x[:, slice(*rows)].reshape(len(x), -1)
        (m, n), (sy, sx), (dy, dx) = self.kernel, self.stride, self.dilation
        seen = np.lib.stride_tricks.sliding_window_view(x, ((m - 1) * dy + 1, (n - 1) * dx + 1), axis=(1, 2))
        seen = seen[:, ::sy, ::sx, :, ::dy, ::dx][:, slice(*rows)]
        return seen.transpose(0, 4, 5, 1, 2, 3).reshape(len(x) * m * n, -1)

    def add_columns(self, total: Any, cols: Any, rows: Pair) -> None:
        """The transposed of ``columns``: add each column to ``total (channels, y, x, batch)`` where it was seen."""
        channels, _, _, batch = total.shape
        across = self.places(total.shape)[1]
        parts = cols.reshape(channels, *self.kernel, rows[1] - rows[0], across, batch)
        (sy, sx), (dy, dx) = self.stride, self.dilation
        for i, j in np.ndindex(*self.kernel):
            y, x = rows[0] * sy + i * dy, j * dx
            seen_y = slice(y, y + (rows[1] - rows[0] - 1) * sy + 1, sy)
            seen_x = slice(x, x + (across - 1) * sx + 1, sx)
            total[:, seen_y, seen_x] += parts[:, i, j]


def batch_last(x: Any, pads: tuple[Pair, Pair] = ((0, 0), (0, 0))) -> Any:
    """``(batch, channels, y, x)`` to ``(channels, y, x, batch)``, with zeros around the images.

    Without any, arrays that have the batch last in memory are not copied.
    """
    (top, bottom), (left, right) = pads
    if not top + bottom + left + right:
        return np.ascontiguousarray(x.transpose(1, 2, 3, 0))
    batch, channels, height, width = x.shape
    total = np.zeros((channels, top + height + bottom, left + width + right, batch), x.dtype)
    total[:, top : top + height, left : left + width] = x.transpose(1, 2, 3, 0)
    return total


def batch_first(x: Any) -> Any:
    """``(channels, y, x, batch)`` to ``(batch, channels, y, x)``: a view."""
    return x.transpose(3, 0, 1, 2)
