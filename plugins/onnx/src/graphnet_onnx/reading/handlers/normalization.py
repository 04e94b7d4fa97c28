"""Normalizations, softmax and reductions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphnet import Absolute, BatchNormalization, Exp, FileError, LayerNormalization, Log, ScalarPower, Sqrt
from graphnet_activations import SoftMax
from graphnet_onnx.layers import Reduce
from graphnet_onnx.reading import broadcasting, layout
from graphnet_onnx.reading.generic import generic
from graphnet_onnx.reading.handlers.dense import floats, weight_name
from graphnet_onnx.reading.handlers.registry import handles
from graphnet_onnx.reading.handlers.shapes import axes_of, checked_axis
from graphnet_onnx.reading.node import NodeView
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Dropped, Known, Term, new_atom


@handles("BatchNormalization")
def batch_normalization(scope: Scope, node: NodeView) -> None:
    """Batch normalization with the running statistics of the file."""
    arrays = [node.inputs[i] for i in range(1, 5)]
    if not all(isinstance(value, Known) for value in arrays):
        generic(scope, node)
        return
    gamma, beta, mean, variance = (floats(value.array) for value in arrays)  # type: ignore[union-attr]
    term = scope.term(node, 0)
    if len(term.groups) < 2:
        raise scope.refused(node, "its input has no axis of channels")
    if len({a.shape for a in (gamma, beta, mean, variance)}) != 1 or gamma.shape != (term.dims[1],):
        raise FileError("statistics and input do not fit", where=node.place, expected=f"({term.dims[1]},) each",
                        received=gamma.shape)  # fmt: skip
    term, counts = _channels_first(scope, term)
    momentum = float(node.get("momentum", 0.9))
    layer = BatchNormalization(len(gamma), epsilon=float(node.get("epsilon", 1e-5)),
                               momentum=momentum if 0 <= momentum < 1 else 0.9, dtype=gamma.dtype.name)  # fmt: skip
    layer.set_weights(gamma)
    layer.bias = beta
    set_buffers(layer, mean=mean, variance=variance, batches=np.ones((), gamma.dtype), rows=np.zeros((), gamma.dtype))
    value = scope.apply(layer, term.value, name=weight_name(arrays[0], node))
    for name in node.outputs[1:]:
        scope.set(name, Dropped("statistics of training"))
    scope.set(node.outputs[0], broadcasting.together(term.at(value), counts))
    scope.note(node, f"{value.ref.source}: {layer!r}")


def _channels_first(scope: Scope, term: Term) -> tuple[Term, list[int]]:
    """With axis 1 right after the rows, and axes that join the batch with others apart, as counted."""
    apart = broadcasting.separated([term])
    counts = [1] * len(term.groups)
    if apart is not None:
        (term,), counts = apart
    term, inner = layout.canonical(term, scope.move)
    if counts[1] != 1 or counts[0] not in inner:
        raise layout.mixed_rows("the axis of the batch is read as channels")
    rest = list(term.axes[term.rows :])
    channels = rest.pop(inner.index(counts[0]))
    return layout.arranged(term, (*term.axes[: term.rows], channels, *rest), scope.move), counts


def set_buffers(layer: Any, **values: np.ndarray) -> None:
    """Give a layer its running statistics."""
    from graphnet import Builder, Runner
    from graphnet.io.weights import set_weights

    builder = Builder("statistics")
    size = layer.channels
    runner = Runner(builder.build(layer(builder.input("x", f"batch, feature={size}"), name="layer")))
    arrays = {"layer/weights": layer.get_weights(), "layer/bias": layer.bias}
    set_weights("ONNX", arrays | {f"layer/{name}": array for name, array in values.items()}, runner)


@handles("LayerNormalization")
def layer_normalization(scope: Scope, node: NodeView) -> None:
    """Normalization of each row over its last axes."""
    term, scale, bias = scope.term(node, 0), node.inputs[1], node.inputs[2] if node.has(2) else None
    axis = checked_axis(node, node.get("axis", -1), len(term.groups))
    constant = isinstance(scale, Known) and isinstance(bias, (Known, type(None))) and scale.array.ndim >= 1
    if not constant or any(node.outputs[1:]):
        generic(scope, node)
        return
    last = len(term.groups) - 1
    if axis != last:  # several axes are one
        term, inner = layout.canonical(term, scope.move)
        if any(i not in inner for i in range(axis, last + 1)):
            raise layout.mixed_rows("normalization over the batch")
        kept = term.axes[: term.rows + inner.index(axis)]
        joined = tuple(a for i in range(axis, last + 1) for a in term.groups[i])
        term = layout.arranged(term, (*kept, joined), scope.move)
    else:
        term = layout.with_last(term, -1, scope.move)
    assert isinstance(scale, Known)
    size = scope.conversion.value(term.size(term.axes[-1]))
    gain = floats(scale.array)
    shape = tuple(scope.conversion.value(n) for n in term.dims[axis:])
    if size is None or None in shape:
        raise scope.refused(node, "the sizes of its axes are not known")
    shift = np.zeros(1, gain.dtype) if bias is None else floats(bias.array)  # type: ignore[union-attr]
    layer = LayerNormalization(size, epsilon=max(float(node.get("epsilon", 1e-5)), 1e-300), dtype=gain.dtype.name)
    layer.set_weights(np.ascontiguousarray(np.broadcast_to(gain, shape).reshape(-1)))  # type: ignore[arg-type]
    layer.bias = np.ascontiguousarray(np.broadcast_to(shift, shape).reshape(-1))  # type: ignore[arg-type]
    value = scope.apply(layer, term.value, name=weight_name(scale, node))
    scope.set(node.outputs[0], term.at(value))
    scope.note(node, f"{value.ref.source}: {layer!r}")


@handles("Softmax", "LogSoftmax")
def softmax(scope: Scope, node: NodeView) -> None:
    """Softmax over one axis; up to opset 12 over all axes from ``axis`` on."""
    term = scope.term(node, 0)
    old = node.opset < 13
    axis = checked_axis(node, node.get("axis", 1 if old else -1), len(term.groups))
    count = len(term.groups) - axis if old else 1
    result, position = joined(scope, term, list(range(axis, axis + count)))
    value = scope.apply(SoftMax(position), result.value, name=node.name)
    if node.op == "LogSoftmax":
        # log Σ exp is kept apart from the difference, so that small probabilities keep their digits.
        value = log_softmax(scope, result.value, position, node.name)
    scope.set(node.outputs[0], result.at(value))
    scope.note(node, f"SoftMax({position})" if node.op == "Softmax" else "x - log Σ exp(x)")


def log_softmax(scope: Scope, x: Any, axis: int, name: str) -> Any:
    """``(x - max) - log Σ exp(x - max)``."""
    from graphnet import Subtract

    centred = scope.apply(Subtract(), x, scope.apply(Reduce("max", axis, True), x))
    total = scope.apply(Reduce("sum", axis, True), scope.apply(Exp(), centred))
    return scope.apply(Subtract(), centred, scope.apply(Log(), total), name=name)


def joined(scope: Scope, term: Term, axes: list[int]) -> tuple[Term, int]:
    """A value in which ONNX axes that follow each other are one axis, and the position of that from the end.

    Raises
    ------
    MixedRowsError
        If one of them is the batch.
    """
    if term.rows == 2 and any(set(term.groups[a]) & set(term.row_atoms[:1]) for a in axes):
        term = layout.demoted(term, scope.move)
    for axis in axes:
        if term.is_rows(axis) or term.mixed(axis):
            raise layout.mixed_rows("numbers of different rows of the batch are combined")
    if len(axes) == 1:
        group = term.groups[axes[0]]
        if group and group in term.axes[term.rows :]:
            return term, term.axes.index(group) - len(term.axes)
    term, inner = layout.canonical(term, scope.move)
    before = [term.axes[term.rows + i] for i, axis in enumerate(inner) if axis not in axes]
    together = tuple(atom for axis in axes for atom in term.groups[axis])
    ordered = [axis for axis in inner if axis in axes]
    if len(axes) > 1 or ordered != inner[-len(ordered) :]:
        position = next((k for k, axis in enumerate(inner) if axis in axes), 0)
        if axes == list(range(axes[0], axes[0] + len(axes))):
            wanted = [*before[:position], together, *before[position:]]
        else:
            wanted = [*before, together]
        term = layout.arranged(term, (*term.axes[: term.rows], *wanted), scope.move)
    place = next(i for i, axis in enumerate(term.axes) if set(together) <= set(axis))
    return term, place - len(term.axes)


KINDS = {
    "ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceL1": "sum",
    "ReduceL2": "sum", "ReduceSumSquare": "sum", "ReduceLogSum": "sum",
}  # fmt: skip


@handles(*KINDS, "ReduceLogSumExp")
def reduction(scope: Scope, node: NodeView) -> None:
    """Sums, means, maxima and norms over axes of the rows."""
    term, axes = scope.term(node, 0), axes_of(scope, node)
    rank = len(term.groups)
    keep = bool(node.get("keepdims", 1))
    if not axes:
        if (node.get("noop_with_empty_axes") and axes is not None) or (
            axes is None and node.get("noop_with_empty_axes")
        ):
            scope.set(node.outputs[0], term)
            return
        axes = list(range(rank))
    axes = sorted({checked_axis(node, a, rank) for a in axes})
    if not any(isinstance(n, int) for n in [term.dims[a] for a in axes]) and node.op == "":
        raise scope.refused(node, "unknown sizes")
    if term.dtype.kind in "iub" and node.op == "ReduceMean":
        generic(scope, node)
        return
    result, position = joined(scope, term, axes)
    x = result.value
    single = len(result.axes) == result.rows + 1  # its last axis stays, with size 1
    if node.op == "ReduceLogSumExp":
        value = log_sum_exp(scope, x, position, node.name, single)
    else:
        before = {"ReduceL1": Absolute(), "ReduceL2": ScalarPower(2), "ReduceSumSquare": ScalarPower(2)}.get(node.op)
        after = {"ReduceL2": Sqrt(), "ReduceLogSum": Log()}.get(node.op)
        x = x if before is None else scope.apply(before, x)
        value = scope.apply(Reduce(KINDS[node.op], position, single), x, name="" if after else node.name)
        value = value if after is None else scope.apply(after, value, name=node.name)
    one = new_atom()
    reduced = tuple(axis for i, axis in enumerate(result.axes) if i != position + len(result.axes))
    reduced = (*reduced, (one,)) if single else reduced
    groups = [() if i in axes else group for i, group in enumerate(result.groups)]
    left = replace(result, value=value, axes=reduced, groups=tuple(groups), sizes={**result.sizes, one: 1})
    scope.set(node.outputs[0], left if keep else layout.squeezed(left, axes))
    scope.note(node, f"{node.op} over {'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}")


def log_sum_exp(scope: Scope, x: Any, axis: int, name: str, keep: bool) -> Any:
    """``max + log Σ exp(x - max)``."""
    from graphnet import Add, Subtract

    largest = scope.apply(Reduce("max", axis, True), x)
    total = scope.apply(Reduce("sum", axis, keep), scope.apply(Exp(), scope.apply(Subtract(), x, largest)))
    return scope.apply(Add(), scope.apply(Log(), total), scope.apply(Reduce("max", axis, keep), x), name=name)
