"""Functions of numpy that are not ufuncs, as operators of ONNX: products, joining, choosing, constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet_onnx.writing.array import FUNCTIONS, TracedArray, implements, lifted
from graphnet_onnx.writing.scope import Scope, Untraceable
from graphnet_onnx.writing.sizes import free
from graphnet_onnx.writing.ufuncs import broadcast_shapes


def scope_of(values: Sequence[Any]) -> Scope:
    """The scope of the traced arrays among some values."""
    return next(value.scope for value in values if isinstance(value, TracedArray))


def alike(values: Sequence[Any]) -> list[TracedArray]:
    """Values as arrays of their common dtype."""
    scope = scope_of(values)
    types = [v.dtype if isinstance(v, TracedArray) else v if type(v) in (int, float) else np.asarray(v).dtype
             for v in values]  # fmt: skip
    dtype = np.result_type(*types)
    return [v.lift(v, dtype) if isinstance(v, TracedArray) else lifted(scope, np.asarray(v, dtype)) for v in values]


def sequence(values: Any) -> tuple[int, ...]:
    """Axes or sizes as a tuple."""
    return tuple(values) if isinstance(values, (tuple, list, range, np.ndarray)) else (values,)


# ---------------------------------------------------------------------- products
@implements("matmul")
def matmul(a: Any, b: Any) -> Any:
    """A matrix product, also of stacks of matrices and of vectors."""
    a, b = alike([a, b])
    if not a.ndim or not b.ndim:
        raise Untraceable("it multiplies a matrix by a number with @")
    inner = a.shape[-1], b.shape[max(-2, -b.ndim)]
    if int(inner[0]) != int(inner[1]):
        raise Untraceable(f"it multiplies shapes {a.shape} and {b.shape}")
    rows = a.shape[-2:-1] if a.ndim > 1 else ()
    columns = b.shape[-1:] if b.ndim > 1 else ()
    stacks = [array.shape[:-2] for array in (a, b) if array.ndim > 2]
    return a.op("MatMul", b, shape=(*(broadcast_shapes(stacks) if stacks else ()), *rows, *columns))


@implements("dot")
def dot(a: Any, b: Any) -> Any:
    """A product over the last axis of one and the last but one of the other."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(b) > 2:
        raise Untraceable("it uses np.dot with an array of more than two axes")
    return matmul(a, b)


@implements("einsum")
def einsum(equation: Any, *operands: Any, **options: Any) -> Any:
    """A sum of products by the letters of the axes."""
    if not isinstance(equation, str) or "..." in equation:
        raise Untraceable("it uses np.einsum in a form other than letters for all axes")
    arrays = alike(operands)
    text = equation.replace(" ", "")
    if "->" not in text:
        letters = sorted({letter for letter in text if letter != "," and text.count(letter) == 1})
        text = f"{text}->{''.join(letters)}"
    sizes: dict[str, int] = {}
    terms, result = text.split("->")
    for term, array in zip(terms.split(","), arrays, strict=True):
        for letter, size in zip(term, array.shape, strict=True):
            if letter not in sizes or free(size) or int(sizes[letter]) == 1:
                sizes[letter] = size
    return arrays[0].op("Einsum", *arrays[1:], shape=tuple(sizes[letter] for letter in result), equation=text)


@implements("outer")
def outer(a: Any, b: Any) -> Any:
    """All products of the numbers of two vectors."""
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@implements("tensordot")
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """A sum of products over axes."""
    if isinstance(axes, int):
        over_a, over_b = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        over_a, over_b = (sequence(each) for each in axes)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in range(a.ndim)]
    second = [next(letters) for _ in range(b.ndim)]
    for i, j in zip(over_a, over_b, strict=True):
        second[j] = first[i]
    shared = {first[i] for i in over_a}
    result = [letter for letter in (*first, *second) if letter not in shared]
    return einsum(f"{''.join(first)},{''.join(second)}->{''.join(result)}", a, b)


# ---------------------------------------------------------------------- joining
@implements("concatenate")
def concatenate(arrays: Any, axis: int = 0) -> Any:
    """Arrays one after the other along an axis."""
    parts = alike(list(arrays))
    first = parts[0]
    axis %= first.ndim
    size: int = 0
    for part in parts:
        size = part.shape[axis] + size
    merged = broadcast_shapes([(*p.shape[:axis], 1, *p.shape[axis + 1 :]) for p in parts])
    shape = (*merged[:axis], size, *merged[axis + 1 :])
    return parts[0].copy() if len(parts) == 1 else first.op("Concat", *parts[1:], shape=shape, axis=axis)


@implements("stack")
def stack(arrays: Any, axis: int = 0) -> Any:
    """Arrays along a new axis."""
    parts = alike(list(arrays))
    axis %= parts[0].ndim + 1
    return concatenate([np.expand_dims(part, axis) for part in parts], axis)


@implements("hstack")
def hstack(arrays: Any) -> Any:
    """Arrays one after the other along axis 1, vectors along axis 0."""
    return concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1)


@implements("vstack")
def vstack(arrays: Any) -> Any:
    """Arrays one after the other along axis 0, vectors as rows."""
    return concatenate([np.reshape(a, (1, -1)) if np.ndim(a) == 1 else a for a in arrays], 0)


@implements("split", "array_split")
def split(array: Any, parts: Any, axis: int = 0) -> list[Any]:
    """Pieces of an array along an axis."""
    axis %= array.ndim
    size = array.shape[axis]
    if isinstance(parts, int):
        if free(size):
            raise Untraceable("it splits rows or steps into a fixed number of parts")
        whole, rest = divmod(size, parts)
        widths = [whole + (i < rest) for i in range(parts)]
        ends = [sum(widths[: i + 1]) for i in range(parts)]
    else:
        ends = [*parts, size]
    before = (slice(None),) * axis
    return [array[(*before, slice(a, b))] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


@implements("hsplit")
def hsplit(array: Any, parts: Any) -> list[Any]:
    """Pieces of an array along axis 1."""
    return split(array, parts, 1)


# ---------------------------------------------------------------------- choosing
@implements("where")
def where(condition: Any, a: Any, b: Any) -> Any:
    """Numbers of one array where a condition is true, else of another."""
    scope = scope_of((condition, a, b))
    first, second = alike([a, b]) if any(isinstance(v, TracedArray) for v in (a, b)) else _both(scope, condition, a, b)
    flags = condition if isinstance(condition, TracedArray) else lifted(scope, np.asarray(condition, bool))
    if flags.dtype != bool:
        flags = flags != 0
    shape = broadcast_shapes([flags.shape, first.shape, second.shape])
    return flags.op("Where", first, second, shape=shape, dtype=first.dtype)


def _both(scope: Scope, condition: Any, a: Any, b: Any) -> tuple[TracedArray, TracedArray]:
    dtype = np.result_type(np.asarray(a), np.asarray(b))
    return lifted(scope, np.asarray(a, dtype)), lifted(scope, np.asarray(b, dtype))


@implements("clip")
def clip(array: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Any:
    """Numbers limited to an interval."""
    low, high = options.pop("min", a_min), options.pop("max", a_max)
    if options:
        raise Untraceable(f"it uses np.clip with {', '.join(options)}")
    array = array if low is None else np.maximum(array, low)
    return array if high is None else np.minimum(array, high)


@implements("nan_to_num")
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Numbers in place of NaN and of infinite ones."""
    info = np.finfo(x.dtype)
    high, low = float(info.max) if posinf is None else posinf, float(info.min) if neginf is None else neginf
    finite = np.where(np.isnan(x), nan, x)
    return np.where(np.isinf(finite), np.where(finite > 0, high, low).astype(x.dtype), finite)


# ---------------------------------------------------------------------- constants, and plain facts
def filled(array: Any, value: Any, dtype: Any, shape: Any) -> Any:
    """An array of one number."""
    sizes = array.shape if shape is None else sequence(shape)
    kind = np.dtype(array.dtype if dtype is None else dtype)
    sizes = tuple(array.scope.recognized(size) for size in sizes)
    if isinstance(value, TracedArray):
        return FUNCTIONS["broadcast_to"](value.astype(kind), sizes)
    scope = array.scope
    number = scope.constant(np.full((1,) * len(sizes), value, kind))
    name = scope.op("Expand", number, scope.shape(sizes)) if sizes else number
    return TracedArray(scope, name, sizes, kind)


@implements("zeros_like", "empty_like")
def zeros_like(a: Any, dtype: Any = None, order: Any = None, subok: Any = None, shape: Any = None) -> Any:
    """Zeros."""
    return filled(a, 0, dtype, shape)


@implements("ones_like")
def ones_like(a: Any, dtype: Any = None, order: Any = None, subok: Any = None, shape: Any = None) -> Any:
    """Ones."""
    return filled(a, 1, dtype, shape)


@implements("full_like")
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = None, subok: Any = None, shape: Any = None
) -> Any:
    """One number."""
    return filled(a, fill_value, dtype, shape)


@implements("copy", "ascontiguousarray", "asfortranarray", "real", "asarray_chkfinite", "require")
def copy(array: Any, *args: Any, **kwargs: Any) -> Any:
    """An array with the same numbers."""
    return array.copy()


@implements("shape")
def shape(array: Any) -> Any:
    """The sizes of the axes."""
    return array.shape


@implements("ndim")
def ndim(array: Any) -> Any:
    """The number of axes."""
    return array.ndim


@implements("size")
def size(array: Any, axis: Any = None) -> Any:
    """The number of elements, or the size of an axis."""
    return array.size if axis is None else array.shape[axis]


@implements("result_type")
def result_type(*values: Any) -> Any:
    """The common dtype."""
    return np.result_type(*[v.dtype if isinstance(v, TracedArray) else v for v in values])


@implements("may_share_memory", "shares_memory")
def shares_memory(a: Any, b: Any, **options: Any) -> bool:
    """Whether two arrays have common elements; symbols that could are refused where they are written."""
    return a is b


@implements("array_equal")
def array_equal(a: Any, b: Any, **options: Any) -> Any:
    """Refused: whether numbers are equal is known only when the file runs."""
    raise Untraceable("it branches on the numbers of an array")
