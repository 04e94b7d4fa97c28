"""Converters of the layers of graphnet and its plugins for which ONNX has an operator.

onnxruntime has some operators in float32 only, and weights are float64 unless a model says otherwise. So each of these
returns ``NotImplemented`` for float64 where onnxruntime lacks it, and the rule of the layer is recorded instead.
Attributes of operators are float32, so an epsilon in float64 is a constant of arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import BatchNormalization, Embedding, Layer, LayerNormalization, StateError
from graphnet.layers.statistics import feature_axis
from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, ReLU, SoftMax, Softplus
from graphnet_conv import AveragePooling, Conv, GlobalAveragePooling, Pooling
from graphnet_conv.sizes import per_axis, resolve_padding
from graphnet_onnx.writing.converters import converter
from graphnet_onnx.writing.special import normal_probability
from graphnet_recurrent import Sigmoid


def single_precision(x: Any) -> bool:
    """Whether an array is float32, for which onnxruntime has every operator."""
    return x.dtype == np.float32  # type: ignore[no-any-return]


# ---------------------------------------------------------------------- elementwise, and along an axis
@converter(ReLU)
def relu(layer: Layer, x: Any) -> Any:
    """Relu."""
    return x.op("Relu", shape=x.shape)


@converter(Sigmoid)
def sigmoid(layer: Layer, x: Any) -> Any:
    """Sigmoid."""
    return x.op("Sigmoid", shape=x.shape)


@converter(LeakyReLU)
def leaky_relu(layer: Any, x: Any) -> Any:
    """LeakyRelu."""
    return x.op("LeakyRelu", shape=x.shape, alpha=layer.slope) if single_precision(x) else NotImplemented


@converter(ELU)
def elu(layer: Any, x: Any) -> Any:
    """Elu."""
    return x.op("Elu", shape=x.shape, alpha=layer.alpha) if single_precision(x) else NotImplemented


@converter(HardSigmoid)
def hard_sigmoid(layer: Layer, x: Any) -> Any:
    """HardSigmoid with a slope of 1/6."""
    return x.op("HardSigmoid", shape=x.shape, alpha=1.0 / 6.0, beta=0.5) if single_precision(x) else NotImplemented


@converter(Softplus)
def softplus(layer: Layer, x: Any) -> Any:
    """Softplus."""
    return x.op("Softplus", shape=x.shape) if single_precision(x) else NotImplemented


@converter(GELU)
def gelu(layer: Any, x: Any) -> Any:
    """By Erf; in float64, for which onnxruntime lacks it, by the distribution function in arithmetic.

    There is an operator Gelu, but ONNX's reference evaluator does not run it.
    """
    if layer.approximate:
        return NotImplemented
    if single_precision(x):
        scaled = x * float(np.sqrt(0.5))
        return 0.5 * x * (1.0 + scaled.op("Erf", shape=x.shape))
    return x * normal_probability(x)


@converter(SoftMax)
def softmax(layer: Any, x: Any, *, lengths: Any) -> Any:
    """Softmax; the rule where the axis is time and rows differ in length."""
    if lengths is not None and layer.axis % x.ndim == 0:
        return NotImplemented
    return x.op("Softmax", shape=x.shape, axis=layer.axis)


# ---------------------------------------------------------------------- normalization, tokens
@converter(BatchNormalization)
def batch_normalization(layer: Any, x: Any, *, weights: Any, bias: Any, mean: Any, variance: Any, shapes: Any) -> Any:
    """BatchNormalization by the running statistics."""
    if not float(layer.buffer_values["batches"]):
        raise StateError("no running statistics yet", where=repr(layer), remedy="Train it on at least one batch first.")
    axis = feature_axis(shapes[0], layer)
    if not single_precision(x):
        aligned = (1,) * axis + (-1,) + (1,) * (x.ndim - axis - 1)
        scale = weights / np.sqrt(variance + layer.epsilon)
        return (x - mean.reshape(aligned)) * scale.reshape(aligned) + bias.reshape(aligned)
    # The operator reads the channels from axis 1. A reader of the file could not tell joined rows apart.
    moved = np.moveaxis(x, axis, 1) if axis != 1 else x
    y = moved.op("BatchNormalization", weights, bias, mean, variance, shape=moved.shape, epsilon=layer.epsilon)
    return np.moveaxis(y, 1, axis) if axis != 1 else y


@converter(LayerNormalization)
def layer_normalization(layer: Any, x: Any, *, weights: Any, bias: Any) -> Any:
    """LayerNormalization."""
    if not single_precision(x):
        return NotImplemented
    return x.op("LayerNormalization", weights, bias, shape=x.shape, axis=-1, epsilon=layer.epsilon)


@converter(Embedding)
def embedding(layer: Embedding, tokens: Any, *, weights: Any) -> Any:
    """Gather; tokens of an input that is not declared as integer are floats."""
    return weights[tokens if tokens.dtype.kind in "iu" else tokens.astype(np.int64)]


# ---------------------------------------------------------------------- windows
@converter(Conv)
def conv(layer: Any, x: Any, *, weights: Any, bias: Any, shapes: Any) -> Any:
    """Conv; in float64 a product for each cell of the window."""
    cells = layer.convolution_shape[1:]
    axes = len(cells)
    strides, dilations = per_axis(layer, "stride_shape", axes), per_axis(layer, "dilation", axes)
    padding = resolve_padding(layer.padding, cells, dilations)
    leading = x.ndim - axes - 1
    images = x if leading == 1 else x.reshape(-1, *x.shape[leading:])
    sizes = _positions(images.shape[-axes:], cells, strides, padding, dilations)
    if single_precision(x):
        y = images.op(
            "Conv", weights, bias, shape=(images.shape[0], layer.num_kernels, *sizes), kernel_shape=cells,
            strides=strides, dilations=dilations, pads=_pads(padding),
        )  # fmt: skip
    else:
        y = _products(images, weights, bias, sizes, strides, padding, dilations)
    return y if leading == 1 else y.reshape(*x.shape[:leading], *y.shape[1:])


def _positions(sizes: Any, cells: Any, strides: Any, padding: Any, dilations: Any) -> list[int]:
    axes = zip(sizes, cells, strides, padding, dilations, strict=True)
    return [(size + (before + after - (m - 1) * d - 1)) // s + 1 for size, m, s, (before, after), d in axes]


def _pads(padding: Any) -> list[int]:
    """Margins in ONNX's order: those before each axis, then those after."""
    return [*(before for before, _ in padding), *(after for _, after in padding)]


def _products(x: Any, weights: Any, bias: Any, sizes: Any, strides: Any, padding: Any, dilations: Any) -> Any:
    """A convolution as a sum of products of channels, one for each cell of the window."""
    axes = len(sizes)
    padded = np.pad(x, ((0, 0), (0, 0), *padding)) if any(map(any, padding)) else x
    rows = np.moveaxis(padded, 1, -1)
    total = None
    for cell in np.ndindex(*map(int, weights.shape[2:])):
        window = tuple(
            slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, n, s in zip(cell, dilations, sizes, strides, strict=True)
        )
        term = rows[(slice(None), *window)] @ np.transpose(weights[(slice(None), slice(None), *cell)])
        total = term if total is None else total + term
    return np.moveaxis(total + bias, -1, 1) if axes else total


def _pooled(layer: Any, x: Any, operator: str, **attributes: Any) -> Any:
    """A pooling operator on images; axes of time and batch become one."""
    cells = layer.pooling_shape
    axes = len(cells)
    strides = per_axis(layer, "stride_shape", axes)
    padding = resolve_padding(layer.padding, cells, (1,) * axes)
    leading = x.ndim - axes - 1
    images = x if leading == 1 else x.reshape(-1, *x.shape[leading:])
    sizes = _positions(images.shape[-axes:], cells, strides, padding, (1,) * axes)
    y = images.op(
        operator, shape=(*images.shape[:2], *sizes), kernel_shape=cells, strides=strides, pads=_pads(padding),
        **attributes,
    )  # fmt: skip
    return y if leading == 1 else y.reshape(*x.shape[:leading], *y.shape[1:])


@converter(Pooling)
def pooling(layer: Any, x: Any) -> Any:
    """MaxPool."""
    return _pooled(layer, x, "MaxPool")


@converter(AveragePooling)
def average_pooling(layer: Any, x: Any) -> Any:
    """AveragePool, where the cells of the margin do not count."""
    return _pooled(layer, x, "AveragePool", count_include_pad=0) if single_precision(x) else NotImplemented


@converter(GlobalAveragePooling)
def global_average_pooling(layer: Any, x: Any, *, shapes: Any) -> Any:
    """GlobalAveragePool of images; the rule for steps of images."""
    if not single_precision(x) or shapes[0].names[:2] == ("time", "batch"):
        return NotImplemented
    y = x.op("GlobalAveragePool", shape=(*x.shape[:2], *[1] * (x.ndim - 2)))
    return np.squeeze(y, tuple(range(2, x.ndim)))
