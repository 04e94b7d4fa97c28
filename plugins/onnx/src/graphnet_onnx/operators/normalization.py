"""Normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import BatchNormalization, LayerNormalization, generator
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.layers import layer_of, runs
from graphnet_onnx.operators.shapes import axis_of
from graphnet_onnx.operators.table import operator


def _channels(values: Any, rank: int) -> Any:
    """One number for each channel, which is axis 1 of an array of this rank."""
    return values.reshape(-1, *([1] * (rank - 2)))


@operator("BatchNormalization", layer="BatchNormalization")
def batch_normalization(context: Context, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    """``scale · (x - mean) / √(variance + epsilon) + bias`` for each channel.

    In training mode (opset 14) mean and variance are those of the batch, and the other outputs are the running ones.
    """
    epsilon, training = context["epsilon"], context.get("training_mode", 0)
    if context.opset < 7:
        training = not context.get("is_test", 0) and len(context.outputs) > 1
    context.require(context.get("spatial", 1), "statistics of each position are not supported: spatial must be 1")
    if training:
        return _of_batch(context, x, scale, bias, mean, variance)
    if runs(x, scale, bias, mean, variance) and x.ndim in (2, 3, 4):
        return _by_layer(context, x, scale, bias, mean, variance)
    mean, variance, scale, bias = (_channels(a, x.ndim) if x.ndim > 1 else a for a in (mean, variance, scale, bias))
    return (x - mean) / np.sqrt(variance + epsilon) * scale + bias


def _by_layer(context: Context, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    """The test phase of graphnet's layer, whose running statistics are those of the node."""
    channels, dtype = len(scale), scale.dtype.name
    layer = layer_of(
        context, (channels, dtype), lambda: BatchNormalization(channels, epsilon=float(context["epsilon"]), dtype=dtype)
    )
    layer.weights, layer.bias = scale, bias  # type: ignore[attr-defined]
    one = np.ones((), dtype)
    layer.store.replace_buffers({"mean": mean, "variance": variance, "batches": one, "rows": one})
    return layer.forward(x)


def _of_batch(context: Context, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> tuple[Any, ...]:
    axes = (0, *range(2, x.ndim))
    momentum = context["momentum"]
    now, spread = x.mean(axes), x.var(axes)
    normal = (x - _channels(now, x.ndim)) / np.sqrt(_channels(spread, x.ndim) + context["epsilon"])
    y = normal * _channels(scale, x.ndim) + _channels(bias, x.ndim)
    return y, mean * momentum + now * (1 - momentum), variance * momentum + spread * (1 - momentum)


def normalized(x: Any, axes: tuple[int, ...], epsilon: float) -> tuple[Any, Any, Any]:
    """``(x - mean) / √(variance + epsilon)`` along axes, the mean, and the inverse of the root."""
    mean = x.mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(np.square(x - mean).mean(axes, keepdims=True) + x.dtype.type(epsilon))
    return (x - mean) * inverse, mean, inverse


@operator("LayerNormalization", layer="LayerNormalization, along the last axis")
def layer_normalization(context: Context, x: Any, scale: Any, bias: Any = None) -> tuple[Any, ...]:
    """Mean 0 and variance 1 along all axes from ``axis`` on, times ``scale``, plus ``bias``; mean and inverse root."""
    axis = axis_of(context, x.ndim, context["axis"])
    epsilon = float(context["epsilon"])
    vector = scale.shape == x.shape[-1:] and (bias is None or bias.shape == scale.shape)
    if axis == x.ndim - 1 and axis and len(context.outputs) == 1 and vector and runs(x, scale) and epsilon > 0:
        size, dtype = len(scale), scale.dtype.name
        layer = layer_of(context, (size, dtype), lambda: LayerNormalization(size, epsilon=epsilon, dtype=dtype))
        layer.weights = scale  # type: ignore[attr-defined]
        layer.bias = np.zeros_like(scale) if bias is None else bias  # type: ignore[attr-defined]
        return (layer.forward(x),)
    wide = x.astype(np.float32) if x.dtype.itemsize < 4 else x
    normal, mean, inverse = normalized(wide, tuple(range(axis, x.ndim)), epsilon)
    y = normal.astype(x.dtype) * scale
    return y if bias is None else y + bias, mean, inverse


@operator("RMSNormalization")
def rms_normalization(context: Context, x: Any, scale: Any) -> Any:
    """``x / √(mean(x²) + epsilon) · scale`` along all axes from ``axis`` on."""
    axes = tuple(range(axis_of(context, x.ndim, context["axis"]), x.ndim))
    wide = x.astype(np.float32) if x.dtype.itemsize < 4 else x
    root = np.sqrt(np.square(wide).mean(axes, keepdims=True) + wide.dtype.type(context["epsilon"]))
    return (wide / root).astype(x.dtype) * scale


@operator("InstanceNormalization")
def instance_normalization(context: Context, x: Any, scale: Any, bias: Any) -> Any:
    """Mean 0 and variance 1 in each channel of each row, times ``scale``, plus ``bias``."""
    normal, _, _ = normalized(x, tuple(range(2, x.ndim)), context["epsilon"])
    return normal * _channels(scale, x.ndim) + _channels(bias, x.ndim)


@operator("GroupNormalization")
def group_normalization(context: Context, x: Any, scale: Any, bias: Any) -> Any:
    """Mean 0 and variance 1 in each group of channels of each row; scale and bias: of groups before opset 21."""
    groups = int(context["num_groups"])
    context.require(groups > 0 and x.shape[1] % groups == 0, "invalid number of groups", received=groups)
    normal, _, _ = normalized(x.reshape(len(x), groups, -1), (2,), context["epsilon"])
    normal = normal.reshape(x.shape)
    if context.opset < 21:
        scale, bias = (np.repeat(a, x.shape[1] // groups) for a in (scale, bias))
    return normal * _channels(scale, x.ndim) + _channels(bias, x.ndim)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(context: Context, x: Any) -> Any:
    """``(x - mean) / (deviation + 1e-9)`` along the axes."""
    axes = tuple(context["axes"]) if "axes" in context.attributes else (0, 2, 3)
    mean = x.mean(axes, keepdims=True)
    spread = np.square(x).mean(axes, keepdims=True) - np.square(mean)
    return (x - mean) / (np.sqrt(spread) + x.dtype.type(1e-9))


@operator("LRN")
def local_response_normalization(context: Context, x: Any) -> Any:
    """``x / (bias + alpha / size · Σ x²)^beta`` with the sum over neighbouring channels."""
    size = int(context["size"])
    before = (size - 1) // 2
    squares = np.pad(np.square(x), [(0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)])
    total = np.lib.stride_tricks.sliding_window_view(squares, size, 1).sum(-1)  # type: ignore[call-overload]
    return x / (context["bias"] + context["alpha"] / size * total) ** context["beta"]


@operator("LpNormalization")
def lp_normalization(context: Context, x: Any) -> Any:
    """``x`` divided by its norm along an axis; 0 where the norm is 0."""
    axis, p = axis_of(context, x.ndim, context["axis"]), int(context["p"])
    context.require(p in (1, 2), "the norm must be of order 1 or 2", received=p)
    norm = np.abs(x).sum(axis, keepdims=True) if p == 1 else np.sqrt(np.square(x).sum(axis, keepdims=True))
    return np.where(norm == 0, 0, x / np.where(norm == 0, 1, norm))


@operator("Dropout")
def dropout(context: Context, x: Any, ratio: Any = None, training: Any = None) -> tuple[Any, Any]:
    """The input, or in training mode (opset 12) a random part of it scaled up; and the mask of what is kept."""
    share = context.get("ratio", 0.5) if ratio is None else float(np.reshape(ratio, ()))
    if training is None or not np.reshape(training, ()) or share == 0:
        return x, np.ones(x.shape, bool if context.opset >= 10 else x.dtype)
    context.require(0 <= share < 1, "the ratio is out of range", expected="0 to less than 1", received=share)
    seed = context.get("seed")
    rng = _generator(seed)
    kept = rng.uniform(0.0, 1.0, x.shape) >= share
    return kept * x / (1 - share), kept


def _generator(seed: int | None) -> Any:
    """graphnet's generator, or one with a seed: the one with which ONNX's test cases were made."""
    return generator() if seed is None else np.random.RandomState(int(seed))
