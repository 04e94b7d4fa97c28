"""Average pooling."""

from math import prod
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet_conv.pooling import check_window
from graphnet_conv.separable import axis_passes, in_memory_order, reduce_cells, scatter_error, window_cells
from graphnet_conv.sizes import output_sizes, with_sizes


class AveragePooling(Layer):
    """The mean of each window, without padding; shapes: see :class:`Pooling`.

    Parameters
    ----------
    stride_shape : int or tuple of int
    pooling_shape : tuple of int
        The window: ``(m, n)`` for images, ``(m,)`` for signals.

    Raises
    ------
    ShapeError
        If the input has another rank or is smaller than the window.
    """

    stride_shape: int | tuple[int, ...]
    pooling_shape: tuple[int, ...]

    def check(self) -> None:
        self._window, self._stride = check_window(self)

    def infer(self, x: Shape) -> Shape:
        return with_sizes(x, output_sizes(x, self, self._window, self._stride, ((0, 0),) * len(self._window)))

    def apply(self, x: Any) -> tuple[Any, Any]:
        total, shapes = x, []
        for axis_pass in axis_passes(self._window, self._stride):
            shapes.append(total.shape)
            total = reduce_cells(np.add, window_cells(total, axis_pass))
        mean = total / prod(self._window)
        return mean, (shapes, mean)

    def pull(self, saved: Any, error: Any) -> Any:
        shapes, mean = saved
        error = in_memory_order(error, mean) / prod(self._window)
        passes = axis_passes(self._window, self._stride)
        for shape, axis_pass in zip(shapes[::-1], passes[::-1], strict=True):
            error = scatter_error(error, [1] * axis_pass[1], np.empty_like(error, shape=shape), axis_pass)
        return error
