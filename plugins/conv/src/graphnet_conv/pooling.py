"""Max pooling."""

from typing import Any

import numpy as np

from graphnet import Layer, Shape, require
from graphnet_conv.geometry import resized, resulting, spread


def check_window(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Window and stride of a pooling layer, one number for each spatial axis.

    Raises
    ------
    ConfigError
        If they are not one or two whole numbers each.
    """
    shape = layer.pooling_shape  # type: ignore[attr-defined]
    sizes = shape if isinstance(shape, tuple) else ()
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in sizes)
    require(whole and len(sizes) in (1, 2), layer, "pooling_shape", "(m, n) for images or (m,) for signals")
    return sizes, spread(layer, "stride_shape", len(sizes))


def places(shape: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """For each cell of the window, in row-major order, the index of what it sees at all places."""
    axes = len(window)
    counts = [(size - m) // s + 1 for size, m, s in zip(shape[-axes:], window, stride, strict=True)]
    return [
        (..., *(slice(i, i + (count - 1) * s + 1, s) for i, count, s in zip(cell, counts, stride, strict=True)))
        for cell in np.ndindex(*window)
    ]


class Pooling(Layer):
    """The maximum of each window, without padding; ties go to the first cell in row-major order. NaN stays NaN.

    ``(batch, channels, y, x)`` or ``(batch, channels, x)``; a size n becomes ``(n - window) // stride + 1``.

    Parameters
    ----------
    stride_shape : int or tuple of int
    pooling_shape : tuple of int
        The window: ``(m, n)`` for images, ``(m,)`` for signals.

    Raises
    ------
    ShapeError
        If the input has another rank or is smaller than the window.

    Examples
    --------
    >>> import numpy as np
    >>> Pooling((2, 2), (2, 2)).forward(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    stride_shape: int | tuple[int, ...]
    pooling_shape: tuple[int, ...]

    def check(self) -> None:
        self._window, self._stride = check_window(self)

    def infer(self, x: Shape) -> Shape:
        return resized(x, resulting(x, self, self._window, self._stride, ((0, 0),) * len(self._window)))

    def apply(self, x: Any) -> tuple[Any, Any]:
        first, *others = places(x.shape, self._window, self._stride)
        best = x[first]
        winner = np.zeros(best.shape, np.min_scalar_type(len(others)))
        for number, place in enumerate(others, start=1):
            seen = x[place]
            winner = np.where(seen > best, number, winner)
            best = np.maximum(best, seen)
        return best, (x.shape, winner)

    def pull(self, saved: Any, error: Any) -> Any:
        shape, winner = saved
        total = np.zeros(shape, error.dtype)
        for number, place in enumerate(places(shape, self._window, self._stride)):
            total[place] += error * (winner == number)
        return total
