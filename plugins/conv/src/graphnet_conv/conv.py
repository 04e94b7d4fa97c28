"""Convolution."""

from dataclasses import field
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError, Weight
from graphnet.authoring import is_python_int, positive, require
from graphnet.layers import BiasAttribute
from graphnet_conv.geometry import check_padding, pads, resized, resulting, spatial, spread
from graphnet_conv.products import inner, product
from graphnet_conv.windows import Window, batch_first, batch_last


class Conv(BiasAttribute, Layer):
    """Cross-correlation with zero padding, then stride::

        y[b, k, u, v] = bias[k] + Σ_{c, i, j} weights[k, c, i, j] · x[b, c, s·u + d·i - p, s·v + d·j - p]

    Input ``(batch, channels, y, x)``, or ``(batch, channels, x)`` for signals; ``weights`` is ``(num_kernels, channels,
    m, n)`` or ``(num_kernels, channels, m)``, ``bias`` ``(num_kernels,)``; both are attributes too.
    fan_in = channels·m·n, fan_out = num_kernels·m·n.

    Parameters
    ----------
    stride_shape : int or tuple of int
        s, for each spatial axis.
    convolution_shape : tuple of int
        ``(channels, m, n)`` for images, ``(channels, m)`` for signals.
    num_kernels : int
    padding : 'same', 'valid', int, or a number or pair for each axis
        p. 'same' gives ``ceil(size / stride)``; an even kernel pads the odd cell at the end.
    dilation : int or tuple of int
        d, the distance between the cells of the kernel.
    dtype : {'float64', 'float32'}
        Of the weights.

    Raises
    ------
    ShapeError
        If rank or channels of the input differ, or the kernel is larger than the padded input.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv((2, 2), (3, 5, 5), 4)
    >>> layer.forward(np.zeros((7, 3, 9, 8))).shape, layer.weights.shape
    ((7, 4, 5, 4), (4, 3, 5, 5))
    """

    stride_shape: int | tuple[int, ...]
    convolution_shape: tuple[int, ...]
    num_kernels: int
    padding: str | int | tuple[int | tuple[int, int], ...] = field(default="same", kw_only=True)
    dilation: int | tuple[int, ...] = field(default=1, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        shape = self.convolution_shape
        sizes = shape if isinstance(shape, tuple) else ()
        whole = all(is_python_int(n, 1) for n in sizes)
        require(whole and len(sizes) in (2, 3), self, "convolution_shape", "(channels, m, n) or (channels, m)")
        positive(self, "num_kernels")
        axes = len(shape) - 1
        check_padding(self, axes)
        stride, dilation = spread(self, "stride_shape", axes), spread(self, "dilation", axes)
        padded = pads(self.padding, shape[1:], dilation)
        self._axes, self._padded, self._margins = axes, padded, _pair(padded, (0, 0))
        self._window = Window(_pair(shape[1:]), _pair(stride), _pair(dilation))

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        cells, channels = prod(self.convolution_shape[1:]), self.convolution_shape[0]
        fan_in, fan_out = channels * cells, self.num_kernels * cells
        return {
            "weights": Weight((self.num_kernels, *self.convolution_shape), fan_in, fan_out),
            "bias": Weight((self.num_kernels,), fan_in, fan_out, kind="bias"),
        }

    def infer(self, x: Shape) -> Shape:
        spatial(x, self._axes, self)
        channels = x.sizes[-self._axes - 1]
        if channels is not None and channels != self.convolution_shape[0]:
            raise ShapeError(
                "another number of channels", where=repr(self), expected=self.convolution_shape[0], received=str(x)
            )
        stride, dilation = self._window.stride[-self._axes :], self._window.dilation[-self._axes :]
        sizes = resulting(x, self, self.convolution_shape[1:], stride, self._padded, dilation)
        return resized(x, sizes, self.num_kernels)

    def apply(self, x: Any, *, weights: Any, bias: Any) -> tuple[Any, Any]:
        seen, window = batch_last(self._images(x), self._margins), self._window
        kernels = weights.reshape(self.num_kernels, -1)
        parts = [product(kernels, window.columns(seen, rows)) for rows in window.blocks(seen)]
        y = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        y += bias[:, None]
        places = window.places(seen.shape)
        shape = (*x.shape[: -self._axes - 1], self.num_kernels, *places[-self._axes :])
        return batch_first(y.reshape(self.num_kernels, *places, -1)).reshape(shape), (x.shape, seen)

    def pull(self, saved: Any, error: Any, *, weights: Any) -> Any:
        shape, seen = saved
        window, errors = self._window, batch_last(self._images(error))
        kernels = weights.reshape(self.num_kernels, -1).T
        if window.trivial:
            total = product(kernels, _rows(errors, (0, None))).reshape(seen.shape)
        else:
            total = np.zeros(seen.shape, error.dtype)
            for rows in window.blocks(seen):
                window.add_columns(total, product(kernels, _rows(errors, rows)), rows)
        (top, bottom), (left, right) = self._margins
        image = total[:, top : seen.shape[1] - bottom, left : seen.shape[2] - right]
        return batch_first(image).reshape(shape)

    def grad(self, saved: Any, error: Any) -> dict[str, Any]:
        _, seen = saved
        window, errors = self._window, batch_last(self._images(error))
        each = (inner(window.columns(seen, rows), _rows(errors, rows)) for rows in window.blocks(seen))
        kernels = reduce(np.add, each).T.reshape(self.num_kernels, *self.convolution_shape)
        return {"weights": kernels, "bias": _rows(errors, (0, None)).sum(1)}

    def _images(self, x: Any) -> Any:
        """The input as ``(rows, channels, y, x)``."""
        sizes = x.shape[-self._axes - 1 :]
        return x.reshape(-1, sizes[0], *((1,) * (2 - self._axes)), *sizes[1:])


def _rows(errors: Any, rows: tuple[int, int | None]) -> Any:
    """``(kernels, y, x, batch)`` at some rows as ``(kernels, places · batch)``."""
    return errors[:, slice(*rows)].reshape(len(errors), -1)


def _pair(each: Any, before: Any = 1) -> Any:
    """Two spatial axes from one or two: a signal is an image of height 1."""
    return (before, *each) if len(each) == 1 else tuple(each)
