"""Ufuncs of numpy as operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet_onnx.writing.array import FUNCTIONS, TracedArray, implements
from graphnet_onnx.writing.scope import Untraceable
from graphnet_onnx.writing.sizes import free

#: Ufuncs that are one operator.
DIRECT = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "true_divide": "Div", "negative": "Neg",
    "absolute": "Abs", "fabs": "Abs", "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos",
    "tanh": "Tanh", "maximum": "Max", "minimum": "Min",
    "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "rint": "Round", "power": "Pow", "reciprocal": "Reciprocal",
    "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less", "less_equal": "LessOrEqual",
    "equal": "Equal", "logical_and": "And", "logical_or": "Or", "logical_not": "Not", "logical_xor": "Xor",
    "isnan": "IsNaN", "isinf": "IsInf",
}  # fmt: skip

#: The ufunc of booleans that an arithmetic one computes.
ON_BOOLEANS = {
    "multiply": "logical_and", "minimum": "logical_and", "bitwise_and": "logical_and", "add": "logical_or",
    "maximum": "logical_or", "bitwise_or": "logical_or", "invert": "logical_not", "bitwise_xor": "logical_xor",
    "not_equal": "logical_xor",
}  # fmt: skip

#: Ufuncs that are composed of others.
COMPOSED: dict[str, Callable[..., Any]] = {}


def composed(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare how ufuncs are computed by other functions of numpy."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSED.update(dict.fromkeys(names, function))
        return function

    return declare


@implements("ufunc __call__")
def call(function: np.ufunc, *inputs: Any, out: Any = None, **options: Any) -> Any:
    """A ufunc of arrays and numbers."""
    if options:
        raise Untraceable(f"it uses np.{function.__name__} with {', '.join(options)}")
    result = _elementwise(function, inputs) if function.signature is None else _product(function, inputs)
    if out is None:
        return result
    target = out[0] if isinstance(out, tuple) else out
    if not isinstance(target, TracedArray):
        raise Untraceable("it writes to an array of numpy")
    target.become(target.lift(result, target.dtype))
    return target


def _product(function: np.ufunc, inputs: Any) -> Any:
    """Products of the matrices and vectors in stacks of them."""
    product = FUNCTIONS["matmul"]
    if function.__name__ == "matmul":
        return product(*inputs)
    a, b = inputs
    if function.__name__ == "vecdot":
        return (a * b).sum(-1)
    if function.__name__ == "matvec":
        return product(a, b[..., None])[..., 0]
    if function.__name__ == "vecmat":
        return product(a[..., None, :], b)[..., 0, :]
    raise Untraceable(f"it uses np.{function.__name__}")


def _elementwise(function: np.ufunc, inputs: Any) -> Any:
    name = function.__name__
    if function.nout != 1:
        raise Untraceable(f"it uses np.{name}")
    first = next(each for each in inputs if isinstance(each, TracedArray))
    types = tuple([_type(each) for each in inputs])
    if all(kind == np.dtype(bool) for kind in types):
        name = ON_BOOLEANS.get(name, name)
        function = getattr(np, name)
    try:
        *wanted, result = function.resolve_dtypes((*types, None))
    except TypeError as error:
        raise Untraceable(f"it uses np.{name} of {', '.join(map(str, types))}") from error
    arrays = [first.lift(_number(first, each), dtype) for each, dtype in zip(inputs, wanted, strict=True)]
    if name in COMPOSED:
        return COMPOSED[name](*arrays)
    if name not in DIRECT:
        raise Untraceable(f"it uses np.{name}, which has no operator")
    shape = broadcast_shapes([array.shape for array in arrays])
    return arrays[0].op(DIRECT[name], *arrays[1:], shape=shape, dtype=result)


def _type(value: Any) -> Any:
    """The dtype of an operand; of Python's numbers their class, since they take the dtype of the others."""
    if isinstance(value, TracedArray):
        return value.dtype
    if type(value) in (int, float):
        return type(value)
    return int if free(value) else np.asarray(value).dtype


def _number(first: TracedArray, value: Any) -> Any:
    """A size of a free axis that a rule computes with as a value of the file; anything else unchanged."""
    if not free(value):
        return value
    scope = first.scope
    return TracedArray(scope, scope.op("Squeeze", scope.size(value)), (), np.int64)


def broadcast_shapes(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape to which shapes broadcast; of sizes that are equal, the one with an expression."""
    rank = max(map(len, shapes))
    result: list[int] = []
    for axis in range(-rank, 0):
        sizes = [shape[axis] for shape in shapes if len(shape) >= -axis]
        larger = [size for size in sizes if int(size) != 1]
        if len({int(size) for size in larger}) > 1:
            raise Untraceable(f"shapes {' and '.join(map(str, shapes))} do not broadcast")
        result.append(next((s for s in larger if free(s)), larger[0] if larger else sizes[0]))
    return tuple(result)


@implements("ufunc reduce")
def reduce(function: np.ufunc, array: Any, axis: Any = 0, **options: Any) -> Any:
    """``np.add.reduce`` and the like."""
    names = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all",
             "logical_or": "any"}  # fmt: skip
    if function.__name__ not in names:
        raise Untraceable(f"it uses np.{function.__name__}.reduce")
    return FUNCTIONS[names[function.__name__]](array, axis=axis, **options)


@implements("ufunc outer")
def outer(function: np.ufunc, a: Any, b: Any, **options: Any) -> Any:
    """``np.multiply.outer`` and the like."""
    return function(np.reshape(a, (*np.shape(a), *[1] * np.ndim(b))), b, **options)


# ---------------------------------------------------------------------- composed of others
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
