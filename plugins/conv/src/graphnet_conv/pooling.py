"""Max pooling."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet.authoring import is_python_int, require
from graphnet_conv.separable import axis_passes, in_memory_order, reduce_cells, scatter_error, window_cells
from graphnet_conv.sizes import output_sizes, per_axis, with_sizes


def check_window(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return window and stride of a pooling layer, one integer for each spatial axis.

    Raises
    ------
    ConfigError
        If they are not one or two integers each.
    """
    shape = layer.pooling_shape  # type: ignore[attr-defined]
    sizes = shape if isinstance(shape, tuple) else ()
    valid = all(is_python_int(n, 1) for n in sizes) and len(sizes) in (1, 2)
    require(valid, layer, "pooling_shape", "(m, n) for images or (m,) for signals")
    return sizes, per_axis(layer, "stride_shape", len(sizes))


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
        return with_sizes(x, output_sizes(x, self, self._window, self._stride, ((0, 0),) * len(self._window)))

    def apply(self, x: Any) -> tuple[Any, Any]:
        levels = [x]
        for axis_pass in axis_passes(self._window, self._stride):
            levels.append(reduce_cells(np.maximum, window_cells(levels[-1], axis_pass)))
        return levels[-1], levels

    def pull(self, saved: Any, error: Any) -> Any:
        error = in_memory_order(error, saved[-1])
        passes = reversed(axis_passes(self._window, self._stride))
        for x, maximum, axis_pass in zip(saved[-2::-1], saved[:0:-1], passes, strict=True):
            shares = first_maxima(window_cells(x, axis_pass), maximum)
            error = scatter_error(error, shares, np.empty_like(x), axis_pass)
        return error


def first_maxima(cells: list[Any], maximum: Any) -> Iterator[Any]:
    """Yield, for each cell of a window along one axis, the positions where it is the first with the maximum.

    The last cell gets all positions that no other cell has, so that no error is lost in a window with NaN.
    """
    unassigned: Any = None  # positions without a first maximum yet; None: all
    for cell in cells[:-1]:
        is_first = cell == maximum
        if unassigned is not None:
            is_first &= unassigned
        yield is_first
        unassigned = ~is_first if unassigned is None else unassigned ^ is_first
    yield 1 if unassigned is None else unassigned
