"""Convolution."""

from dataclasses import field
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError, Weight
from graphnet.authoring import Operation, Window, is_python_int, offered, positive, require
from graphnet.layers import BiasAttribute
from graphnet_conv.im2col import Im2Col, batch_first, batch_last
from graphnet_conv.sizes import check_padding, output_sizes, per_axis, resolve_padding, spatial_sizes, with_sizes
from graphnet_conv.wide_matmul import wide_inner, wide_matmul


class Conv(BiasAttribute, Layer):
    """Cross-correlation with zero padding, then stride.

    ::

        y[b, k, u, v] = bias[k] + Σ_{c, i, j} weights[k, c, i, j] · x[b, c, s·u + d·i - p, s·v + d·j - p]

    Input ``(batch, channels, y, x)``, or ``(batch, channels, x)`` for signals; ``weights`` is ``(num_kernels, channels,
    m, n)`` or ``(num_kernels, channels, m)``, ``bias`` ``(num_kernels,)``; both are attributes.
    fan_in = channels·m·n, fan_out = num_kernels·m·n.

    Parameters
    ----------
    stride_shape : int or tuple of int
        s, for each spatial axis.
    convolution_shape : tuple of int
        ``(channels, m, n)`` for images, ``(channels, m)`` for signals; None for channels: taken from the first input.
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
        If the input has another rank or number of channels, or the kernel is larger than the padded input.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv((2, 2), (3, 5, 5), 4)
    >>> layer.forward(np.zeros((7, 3, 9, 8))).shape, layer.weights.shape
    ((7, 4, 5, 4), (4, 3, 5, 5))
    """

    stride_shape: int | tuple[int, ...]
    convolution_shape: tuple[int | None, ...]
    num_kernels: int
    padding: str | int | tuple[int | tuple[int, int], ...] = field(default="same", kw_only=True)
    dilation: int | tuple[int, ...] = field(default=1, kw_only=True)
    dtype: str = field(default="float64", kw_only=True)

    def check(self) -> None:
        shape = self.convolution_shape
        sizes = shape if isinstance(shape, tuple) else ()
        valid = len(sizes) in (2, 3) and all(is_python_int(n, 1) for n in sizes[sizes[0] is None :])
        require(valid, self, "convolution_shape", "(channels, m, n) or (channels, m); channels may be None")
        positive(self, "num_kernels")
        axes = len(shape) - 1
        check_padding(self, axes)
        stride, dilation = per_axis(self, "stride_shape", axes), per_axis(self, "dilation", axes)
        self._axes = axes
        self._cells: tuple[int, ...] = shape[1:]  # type: ignore[assignment]
        self._padding = resolve_padding(self.padding, self._cells, dilation)
        self._margins = _two_axes(self._padding, (0, 0))
        self._window = Window(_two_axes(stride), _two_axes(dilation))
        self._im2col = Im2Col(_two_axes(self._cells), _two_axes(stride), _two_axes(dilation))

    def parameters(self, *inputs: Shape) -> dict[str, Weight]:
        cells, channels = prod(self._cells), self._channels(inputs)
        fan_in, fan_out = channels * cells, self.num_kernels * cells
        return {
            "weights": Weight((self.num_kernels, channels, *self._cells), fan_in, fan_out),
            "bias": Weight((self.num_kernels,), fan_in, fan_out, kind="bias"),
        }

    def infer(self, x: Shape) -> Shape:
        self._given_channels(x)
        stride, dilation = self._im2col.stride[-self._axes :], self._im2col.dilation[-self._axes :]
        sizes = output_sizes(x, self, self._cells, stride, self._padding, dilation)
        return with_sizes(x, sizes, self.num_kernels)

    def _channels(self, inputs: tuple[Shape, ...]) -> int:
        """The number of channels, of the configuration or the first input.

        Raises
        ------
        ShapeError
            If it is not known yet.
        """
        channels = self.convolution_shape[0]
        if channels is None and inputs:
            channels = self._given_channels(inputs[0])
        if channels is None:
            raise ShapeError(
                "the number of channels is not known yet",
                where=repr(self),
                remedy="Pass it to the constructor, or declare it on the input of the graph.",
            )
        return channels

    def _given_channels(self, x: Shape) -> int | None:
        """The number of channels of an input, which is that of the configuration if both are known."""
        spatial_sizes(x, self._axes, self)
        channels, configured = x.sizes[-self._axes - 1], self.convolution_shape[0]
        if None not in (channels, configured) and channels != configured:
            raise ShapeError(
                "the input has another number of channels", where=repr(self), expected=configured, received=str(x)
            )
        return channels

    def apply(self, x: Any, *, weights: Any, bias: Any, operations: Any = None) -> tuple[Any, Any]:
        padded = batch_last(self._images(x), self._margins)
        y = offered(operations, Operation.WINDOWED_PRODUCT, padded, self._kernels(weights), bias, self._window)
        if y is None:
            y = self._product(padded, weights, bias)
        shape = (*x.shape[: -self._axes - 1], self.num_kernels, *y.shape[3 - self._axes : 3])
        return batch_first(y).reshape(shape), (x.shape, padded)

    def _product(self, padded: Any, weights: Any, bias: Any) -> Any:
        im2col, kernels = self._im2col, weights.reshape(self.num_kernels, -1)
        blocks = [wide_matmul(kernels, im2col.columns(padded, rows)) for rows in im2col.blocks(padded)]
        y = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
        y += bias[:, None]
        return y.reshape(self.num_kernels, *im2col.positions(padded.shape), -1)

    def pull(self, saved: Any, error: Any, *, weights: Any, operations: Any = None) -> Any:
        shape, padded = saved
        errors = batch_last(self._images(error))
        sizes = padded.shape[1:3], self._margins
        image = offered(operations, Operation.WINDOWED_ERROR, errors, self._kernels(weights), self._window, *sizes)
        return batch_first(self._error(padded, errors, weights) if image is None else image).reshape(shape)

    def _error(self, padded: Any, errors: Any, weights: Any) -> Any:
        im2col, kernels = self._im2col, weights.reshape(self.num_kernels, -1).T
        if im2col.trivial:
            total = wide_matmul(kernels, _flat_rows(errors, (0, None))).reshape(padded.shape)
        else:
            total = np.zeros(padded.shape, errors.dtype)
            for rows in im2col.blocks(padded):
                im2col.add_columns(total, wide_matmul(kernels, _flat_rows(errors, rows)), rows)
        (top, bottom), (left, right) = self._margins
        return total[:, top : padded.shape[1] - bottom, left : padded.shape[2] - right]

    def grad(self, saved: Any, error: Any, *, operations: Any = None) -> dict[str, Any]:
        _, padded = saved
        im2col, errors = self._im2col, batch_last(self._images(error))
        sums = offered(operations, Operation.WINDOWED_GRADIENT, padded, errors, self._window, im2col.kernel)
        if sums is not None:
            return {"weights": sums[0].reshape(self.num_kernels, len(padded), *self._cells), "bias": sums[1]}
        blocks = (wide_inner(im2col.columns(padded, rows), _flat_rows(errors, rows)) for rows in im2col.blocks(padded))
        kernels = reduce(np.add, blocks).T.reshape(self.num_kernels, len(padded), *self._cells)
        return {"weights": kernels, "bias": _flat_rows(errors, (0, None)).sum(1)}

    def _kernels(self, weights: Any) -> Any:
        """The weights as ``(num_kernels, channels, m, n)``."""
        return weights.reshape(*weights.shape[:2], *self._im2col.kernel)

    def _images(self, x: Any) -> Any:
        """The input as ``(rows, channels, y, x)``."""
        sizes = x.shape[-self._axes - 1 :]
        return x.reshape(-1, sizes[0], *((1,) * (2 - self._axes)), *sizes[1:])


def _flat_rows(errors: Any, rows: tuple[int, int | None]) -> Any:
    """Some rows of ``(kernels, y, x, batch)`` as ``(kernels, positions · batch)``."""
    return errors[:, slice(*rows)].reshape(len(errors), -1)


def _two_axes(values: Any, first: Any = 1) -> Any:
    """The values for y and x, from those of one or two spatial axes: a signal is an image of height 1."""
    return (first, *values) if len(values) == 1 else tuple(values)
