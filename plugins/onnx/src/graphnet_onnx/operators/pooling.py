"""Pooling."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from graphnet_conv import AveragePooling, GlobalAveragePooling, Pooling
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.layers import layer_of, runs
from graphnet_onnx.operators.table import operator
from graphnet_onnx.operators.windows import Windows, windows_of


def _windows(context: Context, x: Any) -> Windows:
    context.require(x.ndim >= 3, "needs (batch, channels, …)", received=x.shape)
    return windows_of(context, x.shape[2:], tuple(int(n) for n in context["kernel_shape"]))


def _fits_layer(windows: Windows, x: Any) -> bool:
    """Whether a pooling layer of graphnet has these windows."""
    smaller = all(max(pair) < k for pair, k in zip(windows.pads, windows.kernel, strict=True))
    return bool(runs(x)) and x.ndim in (3, 4) and set(windows.dilations) == {1} and smaller


def _lowest(x: Any) -> Any:
    return -np.inf if x.dtype.kind not in "iu" else np.iinfo(x.dtype).min


@operator("MaxPool", layer="Pooling, for one and two spatial axes without indices")
def max_pool(context: Context, x: Any) -> Any:
    """The maximum of each window, and the position of it in the flattened input."""
    windows = _windows(context, x)
    if _fits_layer(windows, x) and not context.wants(1):
        pads = tuple(windows.pads)
        layer = layer_of(context, windows, lambda: Pooling(windows.strides, windows.kernel, padding=pads))
        return layer.forward(x)
    axes = windows.view(windows.padded(x, _lowest(x)))
    flat = axes.reshape(*axes.shape[: x.ndim], -1)
    y = flat.max(-1)
    return (y, _positions(context, windows, x, flat.argmax(-1))) if context.wants(1) else y


def _positions(context: Context, windows: Windows, x: Any, cells: Any) -> Any:
    """The positions in the flattened input, rows first or (``storage_order``) columns first, of cells of windows."""
    inside = np.unravel_index(cells, windows.kernel)
    place: Any = 0
    sizes = x.shape[2:]
    strides = [prod(sizes[:i]) if context["storage_order"] else prod(sizes[i + 1 :]) for i in range(len(sizes))]
    for axis, cell in enumerate(inside):
        start = np.arange(cells.shape[2 + axis]) * windows.strides[axis] - windows.before[axis]
        start = start.reshape(-1, *([1] * (len(sizes) - 1 - axis)))
        place = place + (start + cell * windows.dilations[axis]) * strides[axis]
    images = np.arange(prod(x.shape[:2])).reshape(*x.shape[:2], *([1] * len(sizes)))
    return images * prod(sizes) + place


@operator("AveragePool", layer="AveragePooling, for one and two spatial axes")
def average_pool(context: Context, x: Any) -> Any:
    """The mean of each window; padding counts with ``count_include_pad``."""
    windows, counted = _windows(context, x), context.get("count_include_pad", 0)
    if _fits_layer(windows, x) and (not counted or not any(map(any, windows.pads))):
        pads = tuple(windows.pads)
        layer = layer_of(context, windows, lambda: AveragePooling(windows.strides, windows.kernel, padding=pads))
        return layer.forward(x)
    axes = tuple(range(-len(windows.kernel), 0))
    total = windows.view(windows.padded(x, 0)).sum(axes)
    ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if counted:
        ones = np.pad(ones, [(0, 0), (0, 0), *zip(windows.before, windows.after, strict=True)], constant_values=1)
        ones = np.pad(ones, [(0, 0), (0, 0), *((0, n) for n in windows.extra)])
    else:
        ones = windows.padded(ones, 0)
    return total / windows.view(ones).sum(axes)


@operator("LpPool")
def lp_pool(context: Context, x: Any) -> Any:
    """``(Σ |x|^p)^(1/p)`` of each window."""
    windows, p = _windows(context, x), context["p"]
    view = windows.view(windows.padded(np.abs(x) ** p, 0))
    return view.sum(tuple(range(-len(windows.kernel), 0))) ** (1 / p)


@operator("GlobalAveragePool", layer="GlobalAveragePooling, for one and two spatial axes")
def global_average_pool(context: Context, x: Any) -> Any:
    """The mean of each channel."""
    axes = tuple(range(2, x.ndim))
    if runs(x) and x.ndim in (3, 4):
        y = layer_of(context, "layer", GlobalAveragePooling).forward(x)
        return y.reshape(*x.shape[:2], *([1] * len(axes)))
    return x.mean(axes, keepdims=True)


@operator("GlobalMaxPool")
def global_max_pool(context: Context, x: Any) -> Any:
    """The maximum of each channel."""
    return x.max(tuple(range(2, x.ndim)), keepdims=True)


@operator("GlobalLpPool")
def global_lp_pool(context: Context, x: Any) -> Any:
    """``(Σ |x|^p)^(1/p)`` of each channel."""
    p = context["p"]
    return (np.abs(x) ** p).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)


@operator("MaxUnpool")
def max_unpool(context: Context, x: Any, indices: Any, shape: Any = None) -> Any:
    """The numbers at the positions from which MaxPool took them, and zeros elsewhere."""
    rank = x.ndim - 2
    kernel = tuple(int(n) for n in context["kernel_shape"])
    strides = tuple(context.get("strides", ())) or (1,) * rank
    pads = list(context.get("pads", ())) or [0] * (2 * rank)
    inferred = [(n - 1) * strides[i] - pads[i] - pads[rank + i] + kernel[i] for i, n in enumerate(x.shape[2:])]
    result = np.zeros(prod((*x.shape[:2], *inferred)), x.dtype)
    result[indices.ravel()] = x.ravel()
    result = result.reshape(*x.shape[:2], *inferred)
    if shape is None:
        return result
    larger = np.zeros([int(n) for n in shape], x.dtype)
    larger[tuple(slice(0, n) for n in result.shape)] = result
    return larger
