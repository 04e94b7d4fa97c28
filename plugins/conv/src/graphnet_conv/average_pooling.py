"""Average pooling."""

from math import prod
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet_conv.geometry import resized, resulting
from graphnet_conv.pooling import check_window
from graphnet_conv.strips import alike, handed_out, reduced, steps, strips


class AveragePooling(Layer):
    """The mean of each window, without padding; shapes as :class:`Pooling`.

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
        return resized(x, resulting(x, self, self._window, self._stride, ((0, 0),) * len(self._window)))

    def apply(self, x: Any) -> tuple[Any, Any]:
        total, shapes = x, []
        for step in steps(self._window, self._stride):
            shapes.append(total.shape)
            total = reduced(np.add, strips(total, step))
        mean = total / prod(self._window)
        return mean, (shapes, mean)

    def pull(self, saved: Any, error: Any) -> Any:
        shapes, mean = saved
        error = alike(error, mean) / prod(self._window)
        for shape, step in zip(shapes[::-1], steps(self._window, self._stride)[::-1], strict=True):
            error = handed_out(error, [1] * step[1], np.empty_like(error, shape=shape), step)
        return error
