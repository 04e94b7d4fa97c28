"""Max pooling."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet.authoring import is_python_int, require
from graphnet_conv.geometry import resized, resulting, spread
from graphnet_conv.strips import alike, handed_out, reduced, steps, strips


def check_window(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Window and stride of a pooling layer, one number for each spatial axis.

    Raises
    ------
    ConfigError
        If they are not one or two whole numbers each.
    """
    shape = layer.pooling_shape  # type: ignore[attr-defined]
    sizes = shape if isinstance(shape, tuple) else ()
    whole = all(is_python_int(n, 1) for n in sizes)
    require(whole and len(sizes) in (1, 2), layer, "pooling_shape", "(m, n) for images or (m,) for signals")
    return sizes, spread(layer, "stride_shape", len(sizes))


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
        levels = [x]
        for step in steps(self._window, self._stride):
            levels.append(reduced(np.maximum, strips(levels[-1], step)))
        return levels[-1], levels

    def pull(self, saved: Any, error: Any) -> Any:
        error = alike(error, saved[-1])
        passes = reversed(steps(self._window, self._stride))
        for x, best, step in zip(saved[-2::-1], saved[:0:-1], passes, strict=True):
            error = handed_out(error, winners(strips(x, step), best), np.empty_like(x), step)
        return error


def winners(cells: list[Any], best: Any) -> Iterator[Any]:
    """For each cell of a window along one axis, the places where it is the first with the maximum.

    The last cell has all that no other has, so that no error is lost in a window with NaN.
    """
    waiting: Any = None  # places that have no winner yet; None: all
    for cell in cells[:-1]:
        won = cell == best
        if waiting is not None:
            won &= waiting
        yield won
        waiting = ~won if waiting is None else waiting ^ won
    yield 1 if waiting is None else waiting
