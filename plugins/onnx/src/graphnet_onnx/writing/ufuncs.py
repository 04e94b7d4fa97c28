"""Ufuncs of numpy as operators of ONNX."""

from __future__ import annotations

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
