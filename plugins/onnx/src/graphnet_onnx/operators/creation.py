"""Constants, ranges, random numbers and conversions of type."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from graphnet import DataError, DtypeError, GraphError, generator
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.table import operator

_NUMBERS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
#: The greatest number of elements of an array that a model asks for by its size alone.
MOST = 2**28
#: The largest numbers of types to which a cast saturates.
LARGEST = {"float8_e4m3fn": 448.0, "float8_e4m3fnuz": 240.0, "float8_e5m2": 57344.0, "float8_e5m2fnuz": 57344.0}


@operator("Constant")
def constant(context: Context) -> Any:
    """The value in an attribute."""
    if "value" in context.attributes:
        return context["value"]
    for name, dtype in _NUMBERS.items():
        if name in context.attributes:
            return np.array(context[name], dtype)
    for name in ("value_string", "value_strings"):
        if name in context.attributes:
            return np.array(context[name], object)
    raise context.failure("a constant without a value", GraphError, expected="attribute 'value'")


def limited(context: Context, sizes: Any) -> tuple[int, ...]:
    """Return sizes as a shape.

    Raises
    ------
    DataError
        If a size is negative, or the array would be too large.
    """
    shape = tuple(int(n) for n in sizes)
    count = 1
    for n in shape:
        count *= n
    if min(shape, default=0) < 0 or count > MOST:
        raise context.failure("invalid shape", DataError, expected=f"at most {MOST} numbers", received=shape)
    return shape


@operator("ConstantOfShape")
def constant_of_shape(context: Context, shape: Any) -> Any:
    """One value everywhere; 0 in float32 without one."""
    value = context.get("value")
    value = np.zeros(1, np.float32) if value is None else value
    return np.full(limited(context, shape), value.reshape(-1)[0], value.dtype)


@operator("Shape")
def shape_of(context: Context, x: Any) -> Any:
    """The sizes from ``start`` to ``end``."""
    return np.array(x.shape[context.get("start", 0) : context.get("end")], np.int64)


@operator("Size")
def size_of(context: Context, x: Any) -> Any:
    """The number of elements."""
    return np.array(x.size, np.int64)


@operator("Range")
def range_of(context: Context, start: Any, limit: Any, delta: Any) -> Any:
    """``start + i · delta`` below the limit (above it, for a negative delta)."""
    first, last, step = (np.reshape(a, ())[()] for a in (start, limit, delta))
    context.require(step, "a delta of 0")
    count = max(int(np.ceil((float(last) - float(first)) / float(step))), 0)
    limited(context, (count,))
    return (np.arange(count) * step + first).astype(start.dtype)


@operator("EyeLike")
def eye_like(context: Context, x: Any) -> Any:
    """Ones on the diagonal k, zeros elsewhere, in the shape of a matrix."""
    rows, columns = limited(context, x.shape)
    return np.eye(rows, columns, int(context["k"]), _dtype(context, x.dtype))


def _dtype(context: Context, default: Any, name: str = "dtype") -> np.dtype[Any]:
    """The dtype that an attribute states by its number in ONNX."""
    code = context.get(name)
    return np.dtype(default) if code is None else _numbered(context, code, name)


def _numbered(context: Context, code: Any, name: str) -> np.dtype[Any]:
    """The dtype with a number in ONNX."""
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(int(code)))
    except (KeyError, ValueError):
        raise context.failure(f"unknown type in attribute {name!r}", DtypeError, received=code) from None


@operator("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli")
def random_numbers(context: Context, x: Any = None) -> Any:
    """Draws from the attribute ``seed``, or without one from graphnet's generator (:func:`graphnet.seed`)."""
    seed = context.get("seed")
    rng = generator() if seed is None else np.random.default_rng(np.float32(seed).view(np.uint32))
    shape = limited(context, context["shape"] if x is None else x.shape)
    dtype = _dtype(context, np.float32 if x is None else x.dtype)
    if context.operator == "Bernoulli":
        return (rng.random(shape) < x).astype(dtype)
    if "Normal" in context.operator:
        return (context["mean"] + context["scale"] * rng.standard_normal(shape)).astype(dtype)
    return (context["low"] + (context["high"] - context["low"]) * rng.random(shape)).astype(dtype)


@operator("Multinomial")
def multinomial(context: Context, x: Any) -> Any:
    """Classes drawn from unnormalized log-probabilities, for each row."""
    rng = np.random.default_rng(int(context["seed"])) if "seed" in context.attributes else generator()
    weights = np.exp(x - x.max(1, keepdims=True)).astype(np.float64)
    bounds = np.cumsum(weights / weights.sum(1, keepdims=True), 1)
    draws = rng.random((len(x), int(context["sample_size"])))
    return (draws[..., None] > bounds[:, None, :-1]).sum(-1).astype(_dtype(context, np.int32))


@operator("Cast")
def cast(context: Context, x: Any) -> Any:
    """Another type; numbers are rounded towards zero for integers, and read from text."""
    to = context["to"]
    if isinstance(to, str):  # opset 1
        to = onnx.TensorProto.DataType.Value(to)
    return converted(context, x, int(to))


@operator("CastLike")
def cast_like(context: Context, x: Any, like: Any) -> Any:
    """The type of another array."""
    if like.dtype.kind in "OU":
        return converted(context, x, onnx.TensorProto.STRING)
    return converted(context, x, onnx.helper.np_dtype_to_tensor_dtype(like.dtype))


def converted(context: Context, x: Any, code: int) -> Any:
    """Return an array in the type with this number."""
    if code == onnx.TensorProto.STRING:
        return np.array([_text(item) for item in x.ravel()], object).reshape(x.shape)
    dtype = _numbered(context, code, "to")
    if x.dtype.kind in "OU":
        return np.array([float(item) for item in x.ravel()]).reshape(x.shape).astype(dtype)
    if dtype.name in LARGEST and context.get("saturate", 1):
        x = np.clip(x.astype(np.float32), -LARGEST[dtype.name], LARGEST[dtype.name])
    return x.astype(dtype)


def _text(item: Any) -> str:
    """A number as ONNX writes it: the shortest decimal that reads back, without a fraction of 0 for whole numbers."""
    return str(int(item)) if isinstance(item, np.bool_) else str(item)


@operator("BitCast")
def bit_cast(context: Context, x: Any) -> Any:
    """The same bits in a type of the same width."""
    dtype = _dtype(context, None, "to")
    context.require(dtype.itemsize == x.dtype.itemsize, "types of different widths", expected=x.dtype, received=dtype)
    return np.ascontiguousarray(x).view(dtype).reshape(x.shape)
