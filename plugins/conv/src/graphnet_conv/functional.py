"""Functions that apply a layer of this plugin to a value of a graph.

Examples
--------
>>> from graphnet import Builder
>>> from graphnet_conv import conv, global_average_pooling, pooling
>>> g = Builder("images")
>>> x = g.input("x", "batch, channel=3, y=8, x=8")
>>> x = pooling(conv(x, 1, (3, 3), 16, activation="relu"), 2, (2, 2))
>>> g.build(global_average_pooling(x))
Graph('images': x -> 4 nodes -> output)
"""

from __future__ import annotations

from typing import Any

from graphnet import Layer, Value
from graphnet.authoring import explained, functional
from graphnet_conv.average_pooling import AveragePooling
from graphnet_conv.conv import Conv
from graphnet_conv.global_average_pooling import GlobalAveragePooling
from graphnet_conv.pooling import Pooling


@explained
def conv(
    x: Value,
    stride_shape: int | tuple[int, ...],
    convolution_shape: int | tuple[int, ...],
    num_kernels: int,
    *,
    activation: str | Layer | Any = None,
    name: str | None = None,
    **options: Any,
) -> Value:
    """Apply a new Conv layer; the number of channels is taken from ``x``.

    Parameters
    ----------
    x : Value
    stride_shape : int or tuple of int
        For each spatial axis.
    convolution_shape : int or tuple of int
        The kernel without its channels: ``(m, n)`` for images, ``m`` or ``(m,)`` for signals. Three numbers are
        ``(channels, m, n)``, as of Conv.
    num_kernels : int
    activation : str, Layer, class of Layer or callable, optional
        Applied to the result: the name of a registered layer (``"relu"``), a layer, or a function of values.
    name : str, optional
        Of the node of the Conv.
    **options
        ``padding``, ``dilation``, ``dtype`` and ``trainable`` of Conv.
    """
    kernel = convolution_shape if isinstance(convolution_shape, (tuple, list)) else (convolution_shape,)
    shape = tuple(kernel) if len(kernel) > 2 else (None, *kernel)
    return _conv(x, stride_shape, shape, num_kernels, activation=activation, name=name, **options)


_conv = functional(Conv, "conv", activation=True)
pooling = functional(Pooling, "pooling")
average_pooling = functional(AveragePooling, "average_pooling")
global_average_pooling = functional(GlobalAveragePooling, "global_average_pooling")

__all__ = ["average_pooling", "conv", "global_average_pooling", "pooling"]
