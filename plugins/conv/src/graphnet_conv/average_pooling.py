"""Average pooling."""

from math import prod
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet_conv.geometry import resized, resulting
from graphnet_conv.pooling import check_window, places


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
        first, *others = places(x.shape, self._window, self._stride)
        total = x[first]
        for place in others:
            total = total + x[place]
        return total / prod(self._window), x.shape

    def pull(self, shape: Any, error: Any) -> Any:
        each = error / prod(self._window)
        total = np.zeros(shape, error.dtype)
        for place in places(shape, self._window, self._stride):
            total[place] += each
        return total
