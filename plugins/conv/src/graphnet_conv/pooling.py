"""Max pooling."""

from collections.abc import Iterator
from dataclasses import field
from typing import Any

import numpy as np

from graphnet import Layer, Shape
from graphnet.authoring import is_python_int, require
from graphnet_conv.separable import axis_passes, in_memory_order, reduce_cells, scatter_error, window_cells
from graphnet_conv.sizes import Padding, check_padding, output_sizes, per_axis, resolve_padding, with_sizes


def check_window(layer: Layer) -> tuple[tuple[int, ...], tuple[int, ...], Padding]:
    """Return window, stride and padding of a pooling layer, one for each spatial axis.

    Raises
    ------
    ConfigError
        If window and stride are not one or two integers each, or the padding is not smaller than the window.
    """
    shape = layer.pooling_shape  # type: ignore[attr-defined]
    sizes = shape if isinstance(shape, tuple) else ()
    valid = all(is_python_int(n, 1) for n in sizes) and len(sizes) in (1, 2)
    require(valid, layer, "pooling_shape", "(m, n) for images or (m,) for signals")
    check_padding(layer, len(sizes))
    padding = resolve_padding(layer.padding, sizes, (1,) * len(sizes))  # type: ignore[attr-defined]
    smaller = all(max(pair) < size for pair, size in zip(padding, sizes, strict=True))
    require(smaller, layer, "padding", "less than the window, so that every window has a cell of the input")
    return sizes, per_axis(layer, "stride_shape", len(sizes)), padding


def padded(x: Any, padding: Padding, value: float) -> Any:
    """Return ``x`` with cells of one value around its spatial axes, and its axes in the same order in memory."""
    leading = x.ndim - len(padding)
    sizes = [n + before + after for n, (before, after) in zip(x.shape[leading:], padding, strict=True)]
    larger = np.full_like(x, value, shape=(*x.shape[:leading], *sizes))
    larger[inner(x.shape, padding)] = x
    return larger


def inner(shape: tuple[int, ...], padding: Padding) -> tuple[Any, ...]:
    """Return the index of an input of this shape within the padded one."""
    sizes = shape[len(shape) - len(padding) :]
    return (..., *[slice(before, before + n) for n, (before, _) in zip(sizes, padding, strict=True)])


class Pooling(Layer):
    """The maximum of each window; ties go to the first cell in row-major order. NaN stays NaN.

    A size n of ``(batch, channels, y, x)`` or ``(batch, channels, x)`` becomes ``(n + p - window) // stride + 1``; the
    p cells of the padding are never the maximum.

    Parameters
    ----------
    stride_shape : int or tuple of int
    pooling_shape : tuple of int
        The window: ``(m, n)`` for images, ``(m,)`` for signals.
    padding : 'valid', 'same', int, or a number or pair for each axis, keyword only
        Less than the window. 'valid' is none; 'same' gives ``ceil(size / stride)``, with the odd cell at the end.

    Raises
    ------
    ShapeError
        If the input has another rank, or the padded input is smaller than the window.

    Examples
    --------
    >>> import numpy as np
    >>> Pooling((2, 2), (2, 2)).forward(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    stride_shape: int | tuple[int, ...]
    pooling_shape: tuple[int, ...]
    padding: str | int | tuple[int | tuple[int, int], ...] = field(default="valid", kw_only=True)

    def check(self) -> None:
        self._window, self._stride, self._padding = check_window(self)

    def infer(self, x: Shape) -> Shape:
        return with_sizes(x, output_sizes(x, self, self._window, self._stride, self._padding))

    def apply(self, x: Any) -> tuple[Any, Any]:
        levels = [padded(x, self._padding, -np.inf) if any(map(any, self._padding)) else x]
        for axis_pass in axis_passes(self._window, self._stride):
            levels.append(reduce_cells(np.maximum, window_cells(levels[-1], axis_pass)))
        return levels[-1], (levels, x.shape)

    def pull(self, saved: Any, error: Any) -> Any:
        levels, shape = saved
        error = in_memory_order(error, levels[-1])
        passes = reversed(axis_passes(self._window, self._stride))
        for x, maximum, axis_pass in zip(levels[-2::-1], levels[:0:-1], passes, strict=True):
            shares = first_maxima(window_cells(x, axis_pass), maximum)
            error = scatter_error(error, shares, np.empty_like(x), axis_pass)
        return error if error.shape == shape else error[inner(shape, self._padding)]


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
