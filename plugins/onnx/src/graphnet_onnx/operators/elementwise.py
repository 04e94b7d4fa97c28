"""Elementwise arithmetic, with the broadcasting of numpy."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

import graphnet
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.layers import layer_of, runs, whole
from graphnet_onnx.operators.table import operator

#: Operators of one input that are ufuncs of numpy, or short expressions.
UNARY: dict[str, Any] = {
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    "BitwiseNot": np.invert,
    "Ceil": np.ceil,
    "Cosh": np.cosh,
    "Floor": np.floor,
    "Identity": lambda x: x,
    "IsNaN": np.isnan,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Reciprocal": lambda x: 1 / x,
    "Round": np.rint,
    "Sign": np.sign,
    "Sinh": np.sinh,
    "Tan": np.tan,
}
#: Those that layers of graphnet compute, and what computes other dtypes and empty arrays.
LAYERS: dict[str, tuple[Any, Any]] = {
    "Abs": (graphnet.Absolute, np.abs),
    "Cos": (graphnet.Cos, np.cos),
    "Exp": (graphnet.Exp, np.exp),
    "Log": (graphnet.Log, np.log),
    "Sin": (graphnet.Sin, np.sin),
    "Sqrt": (graphnet.Sqrt, np.sqrt),
}
BINARY: dict[str, Any] = {
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
}
BINARY_LAYERS: dict[str, tuple[Any, Any]] = {
    "Add": (graphnet.Add, np.add),
    "Mul": (graphnet.Multiply, np.multiply),
    "Sub": (graphnet.Subtract, np.subtract),
}


@operator(*UNARY)
def unary(context: Context, x: Any) -> Any:
    """A ufunc of one array."""
    return UNARY[context.operator](x)


@operator("Abs", layer="Absolute")
@operator("Cos", "Exp", "Log", "Sin", "Sqrt", layer="of the same name")
def by_layer(context: Context, x: Any) -> Any:
    """A layer of graphnet of one array."""
    layer, function = LAYERS[context.operator]
    return whole(layer_of(context, "layer", layer), x) if runs(x) else function(x)


@operator(*BINARY)
def binary(context: Context, a: Any, b: Any) -> Any:
    """A ufunc of two arrays."""
    return BINARY[context.operator](a, b)


@operator("Add", layer="Add")
@operator("Sub", layer="Subtract")
@operator("Mul", layer="Multiply")
def binary_by_layer(context: Context, a: Any, b: Any) -> Any:
    """A layer of graphnet of two arrays of one shape; numpy broadcasts the others."""
    layer, function = BINARY_LAYERS[context.operator]
    b = aligned(context, a, b)
    if runs(a, b) and a.shape == b.shape:
        return whole(layer_of(context, "layer", layer), a, b)
    return function(a, b)


def aligned(context: Context, a: Any, b: Any) -> Any:
    """``b`` with axes of size 1 after its own, as ``broadcast`` and ``axis`` of opset 6 and earlier place it."""
    if context.opset >= 7 or not context.get("broadcast", 0) or "axis" not in context.attributes:
        return b
    after = a.ndim - int(context["axis"]) % max(a.ndim, 1) - b.ndim
    return b.reshape(*b.shape, *([1] * after)) if after > 0 else b


@operator("Div", layer="Divide")
def divide(context: Context, a: Any, b: Any) -> Any:
    """The quotient; that of integers is rounded towards zero, and 0 where the divisor is 0."""
    b = aligned(context, a, b)
    if a.dtype.kind not in "iu":
        if runs(a, b) and a.shape == b.shape and b.all():
            return whole(layer_of(context, "layer", graphnet.Divide), a, b)
        return np.divide(a, b)
    quotient = np.floor_divide(a, b)
    remainder = a - quotient * b
    return quotient + ((remainder != 0) & (quotient < 0) & (b != 0)).astype(quotient.dtype)


@operator("Mod")
def modulo(context: Context, a: Any, b: Any) -> Any:
    """The remainder, with the sign of the divisor, or with ``fmod`` of the dividend.

    Before opset 28, floating-point numbers need ``fmod``.
    """
    integers = a.dtype.kind in "iu" or context.opset >= 28
    context.require(context["fmod"] or integers, "the attribute fmod must be 1 for floating-point numbers")
    return np.fmod(a, b) if context["fmod"] else np.mod(a, b)


@operator("Pow")
def power(context: Context, a: Any, b: Any) -> Any:
    """``a ** b`` in the type of a; negative powers of integers are rounded towards zero."""
    b = aligned(context, a, b)
    if a.dtype.kind in "iu" and (b.dtype.kind == "f" or (b.dtype.kind == "i" and (b < 0).any())):
        return np.power(a.astype(np.float64), b).astype(a.dtype)
    return np.power(a, b.astype(a.dtype) if a.dtype.kind == b.dtype.kind == "f" else b).astype(a.dtype)


@operator("BitShift")
def bit_shift(context: Context, a: Any, b: Any) -> Any:
    """``a`` shifted by ``b`` bits to the left or to the right."""
    direction = context["direction"]
    context.require(direction in ("LEFT", "RIGHT"), "invalid direction", expected="LEFT or RIGHT", received=direction)
    return np.left_shift(a, b) if direction == "LEFT" else np.right_shift(a, b)


@operator("Sum")
def total(context: Context, *arrays: Any) -> Any:
    """The sum of all inputs."""
    return reduce(np.add, arrays)


@operator("Mean")
def mean(context: Context, *arrays: Any) -> Any:
    """The mean of all inputs."""
    return reduce(np.add, arrays) / arrays[0].dtype.type(len(arrays))


@operator("Max")
def maximum(context: Context, *arrays: Any) -> Any:
    """The greatest of all inputs; NaN where one is NaN."""
    return reduce(np.maximum, arrays)


@operator("Min")
def minimum(context: Context, *arrays: Any) -> Any:
    """The least of all inputs; NaN where one is NaN."""
    return reduce(np.minimum, arrays)


@operator("Erf")
def error_function(context: Context, x: Any) -> Any:
    """``2/√π ∫ exp(-t²)`` from 0 to x, by the C library's function of each number."""
    return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


@operator("IsInf")
def is_infinite(context: Context, x: Any) -> Any:
    """Whether a number is infinite, of the signs that the attributes allow."""
    positive, negative = bool(context["detect_positive"]), bool(context["detect_negative"])
    return np.isinf(x) & np.where(x > 0, positive, negative)


@operator("Clip")
def clip(context: Context, x: Any, low: Any = None, high: Any = None) -> Any:
    """``min(max(x, low), high)``; the limits are attributes before opset 11."""
    if context.opset < 11:
        low, high = (np.asarray(context[key], x.dtype) for key in ("min", "max"))
    low_of = x if low is None else np.maximum(x, low)
    return low_of if high is None else np.minimum(low_of, high)
