"""Convolutions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from graphnet_conv import Conv
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.layers import layer_of, runs
from graphnet_onnx.operators.table import operator
from graphnet_onnx.operators.windows import Windows, windows_of


@operator("Conv", layer="Conv, for one and two spatial axes")
def convolution(context: Context, x: Any, weights: Any, bias: Any = None) -> Any:
    """Cross-correlation; each of ``group`` groups of channels has kernels of its own."""
    groups = _checked_groups(context, x, weights, x.shape[1])
    windows = windows_of(context, x.shape[2:], _kernel(context, weights))
    bias = np.zeros(len(weights), weights.dtype) if bias is None else bias
    parts = zip(np.split(x, groups, 1), np.split(weights, groups), np.split(bias, groups), strict=True)
    product = _by_layer if runs(x, weights, bias) and x.ndim in (3, 4) else _product
    outputs = [product(context, windows, *part) for part in parts]
    return outputs[0] if groups == 1 else np.concatenate(outputs, 1)


def _kernel(context: Context, weights: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in context.get("kernel_shape", weights.shape[2:]))
    context.require(shape == weights.shape[2:], "kernel_shape differs", expected=weights.shape[2:], received=shape)
    return shape


def _checked_groups(context: Context, x: Any, weights: Any, channels: int) -> int:
    groups = int(context["group"])
    context.require(x.ndim >= 3, "needs (batch, channels, …)", received=x.shape)
    context.require(x.ndim == weights.ndim, "the weights have another rank", expected=x.ndim, received=weights.ndim)
    context.require(groups > 0 and channels % groups == 0, "invalid number of groups", received=groups)
    return groups


def _by_layer(context: Context, windows: Windows, x: Any, weights: Any, bias: Any) -> Any:
    """One group by the layer Conv."""
    kernels, dtype = len(weights), weights.dtype.name
    pads = tuple(windows.pads)

    def make() -> Conv:
        shape = weights.shape[1:]
        return Conv(windows.strides, shape, kernels, padding=pads, dilation=windows.dilations, dtype=dtype)

    layer = layer_of(context, (windows, weights.shape, dtype), make)
    layer.weights, layer.bias = weights, bias  # type: ignore[attr-defined]
    return layer.forward(x)


def _product(context: Context, windows: Windows, x: Any, weights: Any, bias: Any) -> Any:
    """One group with any number of spatial axes."""
    axes = x.ndim - 2
    context.require(x.shape[1] == weights.shape[1], "channels differ", expected=weights.shape[1], received=x.shape[1])
    view = windows.view(windows.padded(x, 0))
    cells = [1, *range(view.ndim - axes, view.ndim)]
    product = np.tensordot(view, weights, (cells, [1, *range(2, weights.ndim)]))
    return np.moveaxis(product, -1, 1) + bias.reshape(-1, *([1] * axes))


@operator("ConvTranspose")
def transposed_convolution(context: Context, x: Any, weights: Any, bias: Any = None) -> Any:
    """The derivative of Conv with respect to its input, which places a kernel at each position and adds them."""
    groups = _checked_groups(context, x, weights, x.shape[1])
    context.require(x.shape[1] == len(weights), "channels differ", expected=len(weights), received=x.shape[1])
    rank, kernel = x.ndim - 2, _kernel(context, weights)
    strides = tuple(context.get("strides", ())) or (1,) * rank
    dilations = tuple(context.get("dilations", ())) or (1,) * rank
    context.require(len(strides) == len(dilations) == rank, "one stride and dilation for each axis", received=strides)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    full = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], strides, spans, strict=True)]
    before, sizes = _transposed_sizes(context, x.shape[2:], full, strides)
    parts = [
        _placed(*part, strides, dilations, [max(f, b + n) for f, b, n in zip(full, before, sizes, strict=True)])
        for part in zip(np.split(x, groups, 1), np.split(weights, groups), strict=True)
    ]
    kept: Any = (..., *(slice(b, b + n) for b, n in zip(before, sizes, strict=True)))
    y = np.concatenate(parts, 1)[kept]
    return y if bias is None else y + bias.reshape(-1, *([1] * rank))


def _transposed_sizes(context: Context, sizes: Any, full: Any, strides: Any) -> tuple[list[int], list[int]]:
    """The cells that are cut before each axis, and the sizes of the output."""
    rank = len(sizes)
    adjacent = [int(n) for n in context.get("output_padding", ())] or [0] * rank
    auto, wanted = context["auto_pad"], context.get("output_shape")
    if wanted is None and not auto.startswith("SAME"):
        pads = [int(n) for n in context.get("pads", ())] or [0] * (2 * rank)
        context.require(len(pads) == 2 * rank, "two pads for each axis", expected=2 * rank, received=pads)
        result = [f + o - pads[i] - pads[rank + i] for i, (f, o) in enumerate(zip(full, adjacent, strict=True))]
        context.require(min(result) > 0, "the output is empty", received=result)
        return pads[:rank], result
    target = [n * s for n, s in zip(sizes, strides, strict=True)]
    if wanted is not None:
        target = [int(n) for n in wanted[-rank:]]
    total = [max(0, f + o - n) for f, o, n in zip(full, adjacent, target, strict=True)]
    return [t - t // 2 if auto != "SAME_UPPER" else t // 2 for t in total], target


def _placed(x: Any, weights: Any, strides: Any, dilations: Any, sizes: list[int]) -> Any:
    """The sum of the kernels times the numbers at their positions."""
    result = np.zeros((len(x), weights.shape[1], *sizes), x.dtype)
    for cell in np.ndindex(*weights.shape[2:]):
        product = np.moveaxis(np.tensordot(x, weights[(..., *cell)], (1, 0)), -1, 1)
        places = (
            slice(c * d, c * d + (n - 1) * s + 1, s)
            for c, d, n, s in zip(cell, dilations, x.shape[2:], strides, strict=True)
        )
        index: Any = (..., *places)
        result[index] += product
    return result


@operator("ConvInteger")
def integer_convolution(context: Context, x: Any, weights: Any, x_zero: Any = None, w_zero: Any = None) -> Any:
    """The convolution of integers less their zero points, in int32."""
    left, right = x.astype(np.int32), weights.astype(np.int32)
    left = left if x_zero is None else left - x_zero.astype(np.int32)
    if w_zero is not None:
        zeros = w_zero.astype(np.int32)
        right = right - (zeros.reshape(-1, *([1] * (right.ndim - 1))) if zeros.ndim else zeros)
    groups = _checked_groups(context, left, right, left.shape[1])
    windows = windows_of(context, x.shape[2:], _kernel(context, weights))
    zero = np.zeros(1, np.int32)
    parts = zip(np.split(left, groups, 1), np.split(right, groups), strict=True)
    return np.concatenate([_product(context, windows, *part, zero) for part in parts], 1)


@operator("DeformConv")
def deformable_convolution(
    context: Context, x: Any, weights: Any, offset: Any, bias: Any = None, mask: Any = None
) -> Any:
    """A convolution of images that reads each cell at a distance of its own, bilinearly, times a mask."""
    context.require(x.ndim == 4, "only images are supported", expected="(batch, channels, y, x)", received=x.shape)
    kernel, groups = _kernel(context, weights), int(context["group"])
    columns = _deformed(context, windows_of(context, x.shape[2:], kernel), x, offset, mask)
    kernels = weights.reshape(len(weights), weights.shape[1], -1)
    parts = zip(np.split(columns, groups, 1), np.split(kernels, groups), strict=True)
    y = np.concatenate([np.einsum("bckyx,nck->bnyx", *part) for part in parts], 1)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def _deformed(context: Context, windows: Windows, x: Any, offset: Any, mask: Any) -> Any:
    """What the cells of all windows read: ``(batch, channels, cells, y, x)``."""
    cells, shared = prod(windows.kernel), int(context["offset_group"])
    high, wide = offset.shape[2:]
    moves = offset.reshape(len(x), shared, cells, 2, high, wide)
    rows, across = (np.arange(n) * s - b for n, s, b in zip((high, wide), windows.strides, windows.before, strict=True))
    columns = np.empty((len(x), x.shape[1], cells, high, wide), x.dtype)
    size = x.shape[1] // shared
    for number, (i, j) in enumerate(np.ndindex(*windows.kernel)):
        down = (rows + i * windows.dilations[0])[:, None] + moves[:, :, number, 0]
        right = (across + j * windows.dilations[1])[None, :] + moves[:, :, number, 1]
        for row, part in np.ndindex(len(x), shared):
            channels = slice(part * size, (part + 1) * size)
            columns[row, channels, number] = bilinear(x[row, channels], down[row, part], right[row, part])
    if mask is None:
        return columns
    return columns * np.repeat(mask.reshape(len(x), shared, cells, high, wide), size, 1)


def bilinear(x: Any, rows: Any, columns: Any) -> Any:
    """``x (channels, y, x)`` at real positions, with zeros outside."""
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    result: Any = 0
    for i, j in np.ndindex(2, 2):
        y, z = top + i, left + j
        inside = (y >= 0) & (y < x.shape[1]) & (z >= 0) & (z < x.shape[2])
        weight = (1 - np.abs(rows - y)) * (1 - np.abs(columns - z)) * inside
        result = result + x[:, np.clip(y, 0, x.shape[1] - 1), np.clip(z, 0, x.shape[2] - 1)] * weight
    return result
