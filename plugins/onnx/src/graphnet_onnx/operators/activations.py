"""Activations, softmaxes, and other functions of one number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, ReLU, SiLU, SoftMax, Softplus
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.layers import layer_of, runs, whole
from graphnet_onnx.operators.table import operator
from graphnet_recurrent import Sigmoid, TanH


def logistic(x: Any) -> Any:
    """``1 / (1 + exp(-x))`` without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x: Any, alpha: float) -> Any:
    """``x`` above 0, else ``alpha · (exp(x) - 1)``."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))).astype(x.dtype)


#: What has a layer: the layer, and what computes other dtypes and empty arrays.
LAYERS: dict[str, tuple[Any, Any]] = {
    "Relu": (ReLU, lambda x: np.maximum(x, x.dtype.type(0))),
    "Sigmoid": (Sigmoid, logistic),
    "Softplus": (Softplus, softplus),
    "Tanh": (TanH, np.tanh),
}


@operator("Relu", layer="ReLU")
@operator("Sigmoid", layer="Sigmoid")
@operator("Softplus", layer="Softplus")
@operator("Tanh", layer="TanH")
def by_layer(context: Context, x: Any) -> Any:
    """A layer without settings."""
    layer, function = LAYERS[context.operator]
    return whole(layer_of(context, "layer", layer), x) if runs(x) else function(x)


@operator("LeakyRelu", layer="LeakyReLU")
def leaky_relu(context: Context, x: Any) -> Any:
    """``x`` where it is at least 0, else ``alpha · x``."""
    alpha = float(context["alpha"])
    if runs(x) and alpha >= 0:
        return whole(layer_of(context, "layer", lambda: LeakyReLU(alpha)), x)
    return np.where(x >= 0, x, alpha * x)


@operator("Elu", layer="ELU")
def elu_operator(context: Context, x: Any) -> Any:
    """``x`` above 0, else ``alpha · (exp(x) - 1)``."""
    alpha = float(context["alpha"])
    if runs(x) and alpha >= 0:
        return whole(layer_of(context, "layer", lambda: ELU(alpha)), x)
    return elu(x, alpha)


@operator("Celu")
def celu(context: Context, x: Any) -> Any:
    """``max(x, 0) + min(0, alpha · (exp(x / alpha) - 1))``."""
    alpha = float(context["alpha"])
    return np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))


@operator("Selu")
def selu(context: Context, x: Any) -> Any:
    """``gamma · x`` above 0, else ``gamma · alpha · (exp(x) - 1)``."""
    return context["gamma"] * elu(x, context["alpha"])


@operator("Gelu", layer="GELU")
def gelu(context: Context, x: Any) -> Any:
    """``x Φ(x)``, or its approximation with tanh."""
    approximate = context["approximate"] == "tanh"
    if runs(x):
        return whole(layer_of(context, "layer", lambda: GELU(approximate)), x)
    values = x.astype(np.float64)
    if approximate:
        return values * (1 + np.tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values**3))) / 2
    return values * np.vectorize(math.erfc, [np.float64])(-values / math.sqrt(2)) / 2


@operator("HardSigmoid", layer="HardSigmoid, with alpha = 1/6")
def hard_sigmoid(context: Context, x: Any) -> Any:
    """``alpha · x + beta``, cut at 0 and 1."""
    alpha, beta = float(context["alpha"]), float(context["beta"])
    if runs(x) and abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return whole(layer_of(context, "layer", HardSigmoid), x)
    return np.clip(alpha * x + beta, 0, 1)


@operator("HardSwish")
def hard_swish(context: Context, x: Any) -> Any:
    """``x · min(max(x / 6 + 1/2, 0), 1)``."""
    return x * np.clip(x / 6 + 0.5, 0, 1)


@operator("Swish", layer="SiLU, with alpha = 1")
def swish(context: Context, x: Any) -> Any:
    """``x · σ(alpha · x)``."""
    alpha = float(context["alpha"])
    if runs(x) and alpha == 1:
        return whole(layer_of(context, "layer", SiLU), x)
    return x * logistic(alpha * x)


@operator("Mish")
def mish(context: Context, x: Any) -> Any:
    """``x · tanh(log(1 + exp(x)))``."""
    return x * np.tanh(softplus(x))


@operator("Softsign")
def softsign(context: Context, x: Any) -> Any:
    """``x / (1 + |x|)``."""
    return x / (1 + np.abs(x))


@operator("PRelu")
def prelu(context: Context, x: Any, slope: Any) -> Any:
    """``x`` where it is at least 0, else ``slope · x``; before opset 7 one slope for each channel."""
    if context.opset < 7 and slope.ndim == 1 and x.ndim > 1 and slope.size > 1:
        slope = slope.reshape(-1, *([1] * (x.ndim - 2)))
    return np.where(x >= 0, x, slope * x)


@operator("ThresholdedRelu")
def thresholded_relu(context: Context, x: Any) -> Any:
    """``x`` above ``alpha``, else 0."""
    return np.where(x > context["alpha"], x, 0)


@operator("Shrink")
def shrink(context: Context, x: Any) -> Any:
    """``x`` moved towards 0 by ``bias`` outside ``-lambd`` to ``lambd``, else 0."""
    bias, limit = context["bias"], context["lambd"]
    return np.where(x < -limit, x + bias, np.where(x > limit, x - bias, 0))


@operator("LogSoftmax")
@operator("Softmax", layer="SoftMax")
def softmax(context: Context, x: Any) -> Any:
    """``exp(x) / Σ exp(x)`` along one axis, or its logarithm; before opset 13 along all axes from ``axis`` on."""
    axis = int(context["axis"]) % max(x.ndim, 1)
    shape = x.shape
    if context.opset < 13:
        x, axis = x.reshape(math.prod(shape[:axis]), -1), 1
    if context.operator == "LogSoftmax":
        shifted = x - x.max(axis, keepdims=True)
        return (shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))).reshape(shape)
    if runs(x):
        return whole(layer_of(context, axis, lambda: SoftMax(axis + 1)), x).reshape(shape)
    e = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    return (e / e.sum(axis, keepdims=True)).reshape(shape)


@operator("Hardmax")
def hardmax(context: Context, x: Any) -> Any:
    """1 at the first greatest number along the axis (before opset 13: all axes from it on), else 0."""
    axis, shape = int(context["axis"]) % max(x.ndim, 1), x.shape
    if context.opset < 13:
        x, axis = x.reshape(math.prod(shape[:axis]), -1), 1
    result = np.zeros_like(x)
    np.put_along_axis(result, np.expand_dims(x.argmax(axis), axis), 1, axis)
    return result.reshape(shape)
