"""Operators that rearrange numbers: reshape, transpose, join, split, pad."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.reductions import axes_of
from graphnet_onnx.operators.table import operator


def axis_of(context: Context, rank: int, axis: Any, *, end: bool = False) -> int:
    """Return an axis as a number from 0; with ``end``, the rank itself is allowed too.

    Raises
    ------
    ShapeError
        If there is no such axis.
    """
    axis, most = int(axis), rank + end
    context.require(-rank <= axis < most, "no such axis", expected=f"{-rank} to {most - 1}", received=axis)
    return axis % rank if axis < 0 else axis


@operator("Reshape")
def reshape(context: Context, x: Any, shape: Any = None) -> Any:
    """Another shape: 0 keeps a size (unless ``allowzero``), -1 is what is left. An attribute before opset 5."""
    sizes = [int(n) for n in (context["shape"] if shape is None else shape)]
    if not context.get("allowzero", 0):
        for position, n in enumerate(sizes):
            context.require(n or position < x.ndim, "a size of 0 copies a size that the input lacks", received=sizes)
            sizes[position] = x.shape[position] if n == 0 else n
    return x.reshape(sizes)


@operator("Flatten")
def flatten(context: Context, x: Any) -> Any:
    """Two axes: the product of those before ``axis``, and that of the others."""
    axis = axis_of(context, x.ndim, context["axis"], end=True)
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


@operator("Transpose")
def transpose(context: Context, x: Any) -> Any:
    """The axes in the order ``perm``; reversed without it."""
    return np.transpose(x, context.get("perm"))


@operator("Squeeze")
def squeeze(context: Context, x: Any, axes: Any = None) -> Any:
    """Without axes of size 1: the given ones, or all. An attribute before opset 13."""
    given = axes_of(context, axes)
    return np.squeeze(x) if given is None else np.squeeze(x, given)


@operator("Unsqueeze")
def unsqueeze(context: Context, x: Any, axes: Any = None) -> Any:
    """With axes of size 1 at these positions of the result. An attribute before opset 13."""
    return np.expand_dims(x, axes_of(context, axes) or ())


@operator("Concat")
def concatenate(context: Context, *arrays: Any) -> Any:
    """The arrays one after the other along ``axis``."""
    return np.concatenate(arrays, axis_of(context, arrays[0].ndim, context.get("axis", 1)))


@operator("Split")
def split(context: Context, x: Any, sizes: Any = None) -> tuple[Any, ...]:
    """Parts along ``axis``: of the given sizes, or equal ones, the last of which may be smaller since opset 18."""
    axis, parts = axis_of(context, x.ndim, context["axis"]), int(context.get("num_outputs", len(context.outputs)))
    given = context.get("split") if sizes is None else sizes
    total = x.shape[axis]
    if given is None:
        context.require(parts > 0, "the number of parts must be positive", received=parts)
        most = -(-total // parts)
        given = [max(0, min(most, total - most * i)) for i in range(parts)]
    given = [int(n) for n in given]
    context.require(
        sum(given) == total and min(given, default=0) >= 0, "the parts do not add up", expected=total, received=given
    )
    return tuple(np.split(x, np.cumsum(given)[:-1], axis))


@operator("Expand")
def expand(context: Context, x: Any, shape: Any) -> Any:
    """The array broadcast with a shape, in both directions."""
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(int(n) for n in shape))).copy()


@operator("Tile")
def tile(context: Context, x: Any, repeats: Any, axis: Any = None) -> Any:
    """Copies side by side: ``repeats`` for each axis; before opset 6 the number and the axis."""
    if axis is not None:
        counts = np.ones(x.ndim, int)
        counts[int(np.reshape(axis, ()))] = int(np.reshape(repeats, ()))
        return np.tile(x, counts)
    context.require(len(repeats) == x.ndim, "one number for each axis", expected=x.ndim, received=len(repeats))
    return np.tile(x, [int(n) for n in repeats])


@operator("Pad")
def pad(context: Context, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    """Cells before and after each axis; a negative number removes cells. Attributes before opset 11."""
    given = [int(n) for n in (context.get("pads", context.get("paddings")) if pads is None else pads)]
    fill = context.get("value", 0.0) if value is None else np.reshape(value, (-1,))[0]
    along = [axis_of(context, x.ndim, a) for a in (range(x.ndim) if axes is None else axes)]
    context.require(len(given) == 2 * len(along), "two numbers for each axis", expected=2 * len(along), received=given)
    amounts = [(0, 0)] * x.ndim
    for position, axis in enumerate(along):
        amounts[axis] = given[position], given[position + len(along)]
    kept = tuple(
        slice(max(0, -before), n - max(0, -after)) for n, (before, after) in zip(x.shape, amounts, strict=True)
    )
    amounts = [(max(0, before), max(0, after)) for before, after in amounts]
    mode = context["mode"]
    modes = ("constant", "reflect", "edge", "wrap")
    context.require(mode in modes, "unknown mode", expected=", ".join(modes), received=mode)
    return np.pad(x[kept], amounts, mode, **({"constant_values": fill} if mode == "constant" else {}))


@operator("Slice")
def slices(context: Context, x: Any, *given: Any) -> Any:
    """``start:end:step`` along some axes; attributes before opset 10."""
    starts: Any
    ends: Any
    if given:
        starts, ends, axes, steps = [None if a is None else np.atleast_1d(a).tolist() for a in (*given, None, None)[:4]]
    else:
        starts, ends, axes, steps = context["starts"], context["ends"], context.get("axes"), None
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    cuts: list[Any] = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        position = axis_of(context, x.ndim, axis)
        context.require(step, "a step of 0")
        cuts[position] = _cut(start, end, step, x.shape[position])
    return x[tuple(cuts)]


def _cut(start: int, end: int, step: int, size: int) -> slice:
    """The slice with both ends clamped as ONNX states, in the terms of Python."""
    low, high = (0, size) if step > 0 else (-1, size - 1)
    start, end = (n + size if n < 0 else n for n in (start, end))
    start, end = min(max(start, max(low, 0)), high), min(max(end, low), size)
    return slice(start, None if end < 0 else end, step)


@operator("DepthToSpace")
def depth_to_space(context: Context, x: Any) -> Any:
    """Blocks of channels become blocks of positions, in the order of ``mode``."""
    rows, channels, height, width = x.shape
    size, mode = int(context["blocksize"]), context.get("mode", "DCR")
    inner = channels // size**2
    if mode == "DCR":
        blocks = x.reshape(rows, size, size, inner, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(rows, inner, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(rows, inner, height * size, width * size)


@operator("SpaceToDepth")
def space_to_depth(context: Context, x: Any) -> Any:
    """Blocks of positions become channels: the inverse of DepthToSpace, in the order of ``mode``."""
    rows, channels, height, width = x.shape
    size = int(context["blocksize"])
    blocks = x.reshape(rows, channels, height // size, size, width // size, size)
    order = (0, 3, 5, 1, 2, 4) if context.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return blocks.transpose(order).reshape(rows, channels * size**2, height // size, width // size)


@operator("CenterCropPad")
def center_crop_pad(context: Context, x: Any, shape: Any) -> Any:
    """Each given axis cut or padded with zeros around its centre to a size."""
    axes = [axis_of(context, x.ndim, a) for a in (axes_of(context) or range(x.ndim))]
    for axis, size in zip(axes, (int(n) for n in shape), strict=True):
        extra = size - x.shape[axis]
        if extra < 0:
            x = np.take(x, np.arange(-extra // 2, -extra // 2 + size), axis)
        elif extra:
            amounts = [(0, 0)] * x.ndim
            amounts[axis] = extra // 2, extra - extra // 2
            x = np.pad(x, amounts)
    return x


@operator("ReverseSequence")
def reverse_sequence(context: Context, x: Any, lengths: Any) -> Any:
    """The first steps of each row in reverse order."""
    time, batch = int(context["time_axis"]), int(context["batch_axis"])
    moved = np.moveaxis(x, (batch, time), (0, 1)).copy()
    for row, length in enumerate(lengths):
        moved[row, :length] = moved[row, :length][::-1].copy()
    return np.moveaxis(moved, (0, 1), (batch, time))
