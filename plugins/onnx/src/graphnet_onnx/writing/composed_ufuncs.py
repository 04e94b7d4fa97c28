"""Ufuncs of numpy that are composed of others, because ONNX has no operator for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet_onnx.writing.ufuncs import broadcast_shapes, composed


@composed("positive")
def _positive(x: Any) -> Any:
    return x.copy()


@composed("square")
def _square(x: Any) -> Any:
    return x * x


@composed("not_equal")
def _not_equal(a: Any, b: Any) -> Any:
    return np.logical_not(a == b)


@composed("isfinite")
def _isfinite(x: Any) -> Any:
    return np.logical_not(np.isnan(x) | np.isinf(x))


@composed("log1p")
def log1p(x: Any) -> Any:
    """``log(1 + x)`` without loss of the digits of a small x: ``log(u) · x / (u - 1)`` with u = 1 + x rounded."""
    u = 1.0 + x
    usual = (u == 1.0) | np.isinf(u)
    return np.where(usual, np.where(u == 1.0, x, u), np.log(u) * (x / np.where(usual, 1.0, u - 1.0)))


@composed("expm1")
def expm1(x: Any) -> Any:
    """``exp(x) - 1`` without loss of the digits of a small x: ``(u - 1) · x / log(u)`` with u = exp(x) rounded."""
    u = np.exp(x)
    plain = (u == 1.0) | (u - 1.0 == -1.0) | np.isinf(u)
    ratio = (u - 1.0) * (x / np.where(plain, 1.0, np.log(np.where(plain, 2.0, u))))
    return np.where(plain, np.where(u == 1.0, x, u - 1.0), ratio)


@composed("logaddexp")
def _logaddexp(a: Any, b: Any) -> Any:
    larger = np.maximum(a, b)
    return np.where(a == b, larger + math.log(2.0), larger + log1p(np.exp(-np.abs(a - b))))


@composed("exp2")
def _exp2(x: Any) -> Any:
    return np.exp(x * math.log(2.0))


@composed("log2")
def _log2(x: Any) -> Any:
    return np.log(x) / math.log(2.0)


@composed("log10")
def _log10(x: Any) -> Any:
    return np.log(x) / math.log(10.0)


@composed("cbrt")
def _cbrt(x: Any) -> Any:
    return np.sign(x) * np.power(np.abs(x), 1.0 / 3.0)


@composed("hypot")
def _hypot(a: Any, b: Any) -> Any:
    return np.sqrt(a * a + b * b)


@composed("tan")
def _tan(x: Any) -> Any:
    return np.sin(x) / np.cos(x)


@composed("sinh")
def _sinh(x: Any) -> Any:
    e = expm1(np.abs(x))
    return np.sign(x) * 0.5 * (e + np.where(np.isinf(e), 1.0, e / (e + 1.0)))


@composed("cosh")
def _cosh(x: Any) -> Any:
    e = np.exp(np.abs(x))
    return 0.5 * (e + 1.0 / e)


@composed("arcsinh")
def _arcsinh(x: Any) -> Any:
    a = np.abs(x)
    return np.sign(x) * log1p(a + a * a / (1.0 + np.sqrt(a * a + 1.0)))


@composed("arccosh")
def _arccosh(x: Any) -> Any:
    return np.log(x + np.sqrt((x - 1.0) * (x + 1.0)))


@composed("arctanh")
def _arctanh(x: Any) -> Any:
    return 0.5 * log1p(2.0 * x / (1.0 - x))


@composed("arctan")
def _arctan(x: Any) -> Any:
    """Atan; in float64, which onnxruntime lacks, a step of Newton's method from the float32 result."""
    single = x.astype(np.float32)
    y = single.op("Atan", shape=x.shape)
    if x.dtype == np.float32:
        return y
    y = y.astype(x.dtype)
    limited = np.minimum(np.maximum(x, -1e30), 1e30)
    sine, cosine = np.sin(y), np.cos(y)
    change = (limited * cosine - sine) / (cosine + limited * sine)
    return y + change * (1.0 - change * change / 3.0)


@composed("arcsin")
def _arcsin(x: Any) -> Any:
    if x.dtype == np.float32:
        return x.op("Asin", shape=x.shape)
    return np.where(np.abs(x) == 1.0, x * (0.5 * math.pi), np.arctan(x / np.sqrt((1.0 - x) * (1.0 + x))))


@composed("arccos")
def _arccos(x: Any) -> Any:
    return x.op("Acos", shape=x.shape) if x.dtype == np.float32 else 2.0 * np.arcsin(np.sqrt(0.5 * (1.0 - x)))


@composed("arctan2")
def _arctan2(y: Any, x: Any) -> Any:
    half = np.arctan(y / np.where(x == 0.0, 1.0, x))
    left = half + np.where(y < 0.0, -math.pi, math.pi)
    return np.where(x > 0.0, half, np.where(x < 0.0, left, np.sign(y) * (0.5 * math.pi)))


@composed("fmax")
def _fmax(a: Any, b: Any) -> Any:
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.maximum(a, b)))


@composed("fmin")
def _fmin(a: Any, b: Any) -> Any:
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.minimum(a, b)))


@composed("trunc")
def _trunc(x: Any) -> Any:
    return np.sign(x) * np.floor(np.abs(x))


@composed("copysign")
def _copysign(a: Any, b: Any) -> Any:
    return np.where((b < 0.0) | (np.reciprocal(b) < 0.0), -np.abs(a), np.abs(a))


@composed("heaviside")
def _heaviside(x: Any, middle: Any) -> Any:
    return np.where(x > 0.0, x.lift(1.0, x.dtype), np.where(x < 0.0, x.lift(0.0, x.dtype), middle))


@composed("floor_divide")
def _floor_divide(a: Any, b: Any) -> Any:
    if a.dtype.kind in "iu":
        rest = a.op("Mod", b, shape=broadcast_shapes([a.shape, b.shape]))
        return (a - rest).op("Div", b, shape=rest.shape)
    return np.floor(a / b)


@composed("remainder")
def _remainder(a: Any, b: Any) -> Any:
    if a.dtype.kind in "iu":
        return a.op("Mod", b, shape=broadcast_shapes([a.shape, b.shape]))
    return a - np.floor(a / b) * b
