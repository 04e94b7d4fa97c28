"""Convolution and pooling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Concatenate, FileError, Slice
from graphnet_conv import AveragePooling, Conv, Pooling
from graphnet_onnx.layers import OnnxOperator, Reduce
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim, Size, opaque
from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.dense import floats, weight_name
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Known, Term, new_atom

Pairs = tuple[tuple[int, int], ...]
#: Groups of a convolution that become layers of their own.
MAX_GROUPS = 1024


def images(scope: Scope, node: NodeView) -> tuple[Term, int]:
    """The first input as ``(rows, channels, …)``, and its number of spatial axes.

    Raises
    ------
    UnsupportedError, MixedRowsError
    """
    term = scope.term(node, 0)
    if len(term.groups) < 3:
        raise scope.refused(node, "its input is not an image", "(batch, channels, …)")
    if term.rows == 2 and any(term.is_rows(axis) for axis in range(1, len(term.groups))):  # windows move along time
        term = layout.demoted(term, scope.move)
    if (steps := _images_of_steps(term)) is not None:
        return layout.arranged(*_rows_of_steps(scope, term, steps), scope.move), len(term.groups) - 2
    term, inner = layout.canonical(term, scope.move)
    if inner != list(range(1, len(term.groups))):
        raise layout.mixed_rows("the batch is not the first axis of the images")
    return term, len(inner) - 1


def _images_of_steps(term: Term) -> int | None:
    """The atom of the axis that axis 0 joins with the batch, if the other axes have nothing of both."""
    batch = term.row_atoms[-1]
    others = [atom for atom in term.groups[0] if atom != batch]
    apart = not any(term.is_rows(i) or term.mixed(i) or not term.groups[i] for i in range(1, len(term.groups)))
    return others[0] if batch in term.groups[0] and len(others) == 1 and apart else None


def _rows_of_steps(scope: Scope, term: Term, steps: int) -> tuple[Term, tuple[tuple[int, ...], ...]]:
    """The images of each step in rows of time and batch, and the axes to arrange them in."""
    term = layout.promoted(term, steps, scope.move)
    return term, (*term.axes[:2], *term.groups[1:])


def per_axis(node: NodeView, name: str, axes: int, default: int, least: int) -> tuple[int, ...]:
    """An attribute with one number for each spatial axis.

    Raises
    ------
    FileError
    """
    values = node.get(name) or [default] * axes
    if len(values) != axes or any(not least <= n < 2**31 for n in values):
        raise FileError(f"attribute {name!r} does not fit", where=node.place,
                        expected=f"{axes} numbers of at least {least}", received=str(list(values)[:8]))  # fmt: skip
    return tuple(values)


def paddings(node: NodeView, sizes: tuple[Size, ...], kernel: tuple[int, ...], strides: tuple[int, ...],
             dilations: tuple[int, ...]) -> Pairs | None:  # fmt: skip
    """The cells added before and after each spatial axis; None if they depend on a size that is not known."""
    axes = len(kernel)
    auto = node.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pairs = []
        for size, m, s, d in zip(sizes, kernel, strides, dilations, strict=True):
            width = (m - 1) * d + 1
            if isinstance(size, Dim):
                if s != 1:
                    return None
                total = width - 1
            else:
                total = max((-(-size // s) - 1) * s + width - size, 0)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if auto == "SAME_UPPER" else (large, small))
        return tuple(pairs)
    if auto == "VALID":
        return ((0, 0),) * axes
    pads = per_axis(node, "pads", 2 * axes, 0, 0)
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def window_sizes(node: NodeView, sizes: tuple[Size, ...], kernel: tuple[int, ...], strides: tuple[int, ...],
                 dilations: tuple[int, ...], pads: Pairs) -> list[Size]:  # fmt: skip
    """The sizes of the spatial axes of the result.

    Raises
    ------
    FileError
        If the window is larger than the padded input.
    """
    found: list[Size] = []
    for size, m, s, d, pad in zip(sizes, kernel, strides, dilations, pads, strict=True):
        change = sum(pad) - (m - 1) * d
        if isinstance(size, Dim):
            found.append(size + (change) if s == 1 else opaque("/", f"{size}+{change}", str(s)))
            continue
        if size + change < 1:
            raise FileError("the window is larger than the input", where=node.place,
                            expected=f"at least {1 - change}", received=size)  # fmt: skip
        found.append((size + change - 1) // s + 1)
    return found


def spatial(term: Term, value: Any, channels: Size | None, sizes: list[Size]) -> Term:
    """The result of a window over images in canonical form."""
    fresh = [new_atom() for _ in range(len(sizes) + 1)]
    known = dict(term.sizes) | dict(zip(fresh, [term.dims[1] if channels is None else channels, *sizes], strict=True))
    groups = tuple((atom,) for atom in fresh)
    return replace(
        term, value=value, axes=(*term.axes[: term.rows], *groups), groups=(term.groups[0], *groups), sizes=known
    )


@handles("Conv")
def conv(scope: Scope, node: NodeView) -> None:
    """A convolution; one with groups is one for each group of channels."""
    weights, bias = node.inputs[1], node.inputs[2] if node.has(2) else None
    if not isinstance(weights, Known) or not isinstance(bias, (Known, type(None))) or weights.array.ndim not in (3, 4):
        generic(scope, node)
        return
    term, axes = images(scope, node)
    kernels, channels, *kernel = weights.array.shape
    group = node.get("group", 1)
    strides, dilations = per_axis(node, "strides", axes, 1, 1), per_axis(node, "dilations", axes, 1, 1)
    if group > MAX_GROUPS:
        generic(scope, node)
        return
    fits = len(kernel) == axes and (node.get("kernel_shape") or list(kernel)) == list(kernel)
    if not fits or group < 1 or kernels % group or term.dims[1] != channels * group or 0 in weights.array.shape:
        raise FileError("weights and input do not fit", where=node.place,
                        expected=f"(kernels, {term.dims[1]} / group, …) with {axes} spatial axes, group {group}",
                        received=weights.array.shape)  # fmt: skip
    if bias is not None and bias.array.shape != (kernels,):
        raise FileError("weights and bias do not fit", where=node.place, expected=(kernels,), received=bias.array.shape)
    pads = paddings(node, term.dims[2:], tuple(kernel), strides, dilations)
    if pads is None:
        generic(scope, node)
        return
    sizes = window_sizes(node, term.dims[2:], tuple(kernel), strides, dilations, pads)
    array, shift = floats(weights.array), None if bias is None else floats(bias.array)
    parts, each, name = [], kernels // group, weight_name(weights, node)
    for number in range(group):
        rows = slice(number * each, (number + 1) * each)
        x = term.value
        if group > 1:
            x = scope.apply(Slice(number * channels, (number + 1) * channels, None, -axes - 1), x)
        layer = Conv(strides, (channels, *kernel), each, padding=pads, dilation=dilations, dtype=array.dtype.name)
        layer.set_weights(array[rows])
        layer.bias = np.zeros(each, array.dtype) if shift is None else shift[rows]
        parts.append(scope.apply(layer, x, name=name if group == 1 else f"{name}_group_{number}"))
    value = parts[0] if group == 1 else scope.apply(Concatenate(-axes - 1), *parts, name=name)
    scope.set(node.outputs[0], spatial(term, value, kernels, sizes))
    scope.note(node, f"{value.ref.source}: {layer!r}" + (f", {group} groups" if group > 1 else ""))


@handles("MaxPool", "AveragePool")
def pool(scope: Scope, node: NodeView) -> None:
    """The maximum or the mean of each window."""
    kernel = node.get("kernel_shape") or []
    axes = len(kernel)
    strides, dilations = per_axis(node, "strides", axes, 1, 1), per_axis(node, "dilations", axes, 1, 1)
    kernel = per_axis(node, "kernel_shape", axes, 1, 1)
    indices = node.op == "MaxPool" and len(node.outputs) > 1 and node.outputs[1]
    term, found = images(scope, node)
    pads = paddings(node, term.dims[2:], kernel, strides, dilations)
    plain = axes in (1, 2) and found == axes and set(dilations) == {1} and not indices and pads is not None
    counted = node.op == "AveragePool" and node.get("count_include_pad") and pads is not None and any(map(any, pads))
    ceiling = pads is not None and node.get("ceil_mode") and not _whole(term.dims[2:], kernel, strides, pads)
    if plain and counted and not ceiling:
        term, pads = padded(scope, term, pads or ()), ((0, 0),) * axes
        counted = False
    if not plain or counted or ceiling or any(max(pair) >= m for pair, m in zip(pads or (), kernel, strict=False)):
        generic(scope, node)
        return
    assert pads is not None
    kind = Pooling if node.op == "MaxPool" else AveragePooling
    layer = kind(strides, kernel, padding=pads)
    value = scope.apply(layer, term.value, name=node.name)
    scope.set(
        node.outputs[0], spatial(term, value, None, window_sizes(node, term.dims[2:], kernel, strides, dilations, pads))
    )
    scope.note(node, f"{value.ref.source}: {layer!r}")


def padded(scope: Scope, term: Term, pads: Pairs) -> Term:
    """Images with zeros around them, which count."""
    sizes = [term.size(axis) for axis in term.axes[term.rows :]]
    known = [n if isinstance(n, int) else -1 for n in sizes]
    larger = [n if isinstance(n, int) and n < 0 else n + sum(pair) for n, pair in zip(known[1:], pads, strict=True)]
    places = (*range(term.rows), *range(term.rows, term.rows + len(sizes)))
    before, after = ([0] * (term.rows + 1) + [pair[side] for pair in pads] for side in (0, 1))
    numbers = (*before, *after)
    entries = (("value", "float32", places, tuple(known)), ("array", "int64", (len(numbers),), numbers))
    layer = OnnxOperator("Pad", 18, entries, tuple(range(term.rows)), (known[0], *larger), (("mode", "constant"),))
    value = scope.apply(layer, term.value)
    grown = [n + sum(pair) for n, pair in zip(sizes[1:], pads, strict=True)]
    return spatial(term, value, None, grown)


def _whole(sizes: tuple[Size, ...], kernel: tuple[int, ...], strides: tuple[int, ...], pads: Pairs) -> bool:
    """Whether the windows end where the input does, so that rounding up changes nothing."""
    return all(
        isinstance(n, int) and (n + sum(p) - m) % s == 0
        for n, m, s, p in zip(sizes, kernel, strides, pads, strict=True)
    )


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(scope: Scope, node: NodeView) -> None:
    """The mean or the maximum of each channel."""
    term, axes = images(scope, node)
    inner = tuple(atom for axis in term.axes[term.rows + 1 :] for atom in axis)
    flat = layout.arranged(term, (*term.axes[: term.rows + 1], inner), scope.move)
    layer = Reduce("mean" if node.op == "GlobalAveragePool" else "max", -1)
    value = scope.apply(layer, flat.value, name=node.name)
    result = replace(flat, value=value, axes=flat.axes[:-1], groups=(*flat.groups[:2], *[()] * axes))
    scope.set(node.outputs[0], result)
    scope.note(node, f"{value.ref.source}: {layer!r}")
