"""Average pooling."""

from dataclasses import field
from math import prod
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet_conv.pooling import check_window, inner, padded
from graphnet_conv.separable import axis_passes, in_memory_order, reduce_cells, scatter_error, window_cells
from graphnet_conv.sizes import output_sizes, with_sizes


class AveragePooling(Layer):
    """The mean of each window, over those of its cells that are not padding; shapes: see :class:`Pooling`.

    Parameters
    ----------
    stride_shape : int or tuple of int
    pooling_shape : tuple of int
        The window: ``(m, n)`` for images, ``(m,)`` for signals.
    padding : 'valid', 'same', int, or a number or pair for each axis, keyword only
        As for :class:`Pooling`. It does not count in the mean, as in Keras (torch: ``count_include_pad=False``).

    Raises
    ------
    ShapeError
        If the input has another rank, or the padded input is smaller than the window.
    """

    stride_shape: int | tuple[int, ...]
    pooling_shape: tuple[int, ...]
    padding: str | int | tuple[int | tuple[int, int], ...] = field(default="valid", kw_only=True)

    def check(self) -> None:
        self._window, self._stride, self._padding = check_window(self)

    def infer(self, x: Shape) -> Shape:
        return with_sizes(x, output_sizes(x, self, self._window, self._stride, self._padding))

    def _cells(self, sizes: tuple[int, ...]) -> Any:
        """The number of cells of each window that are not padding."""
        if not any(map(any, self._padding)):
            return prod(self._window)
        counts: Any = 1
        for size, window, stride, (before, after) in zip(sizes, self._window, self._stride, self._padding, strict=True):
            starts = np.arange(0, size + before + after - window + 1, stride) - before
            inside = np.minimum(starts + window, size) - np.maximum(starts, 0)
            counts = np.multiply.outer(counts, inside)
        return counts

    def apply(self, x: Any) -> tuple[Any, Any]:
        total, shapes = padded(x, self._padding, 0.0) if any(map(any, self._padding)) else x, []
        cells = self._cells(x.shape[x.ndim - len(self._window) :])
        for axis_pass in axis_passes(self._window, self._stride):
            shapes.append(total.shape)
            total = reduce_cells(np.add, window_cells(total, axis_pass))
        mean = (total / cells).astype(x.dtype, copy=False)
        return mean, (shapes, mean, cells, x.shape)

    def pull(self, saved: Any, error: Any) -> Any:
        shapes, mean, cells, whole = saved
        error = (in_memory_order(error, mean) / cells).astype(mean.dtype, copy=False)
        passes = axis_passes(self._window, self._stride)
        for shape, axis_pass in zip(shapes[::-1], passes[::-1], strict=True):
            error = scatter_error(error, [1] * axis_pass[1], np.empty_like(error, shape=shape), axis_pass)
        return error if error.shape == whole else error[inner(whole, self._padding)]
