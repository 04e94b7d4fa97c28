"""Reductions of numpy as operators of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet_onnx.writing.array import TracedArray, implements
from graphnet_onnx.writing.functions import sequence
from graphnet_onnx.writing.scope import Untraceable
from graphnet_onnx.writing.shapes import ravel
from graphnet_onnx.writing.sizes import free


def reduced(operator: str, a: Any, axis: Any, keepdims: Any) -> Any:
    """The result of a reduction over axes; None: all."""
    axes = sorted({each % a.ndim for each in (range(a.ndim) if axis is None else sequence(axis))})
    if not axes:
        return a.copy()
    kept = [1 if i in axes else size for i, size in enumerate(a.shape)]
    shape = kept if keepdims else [size for i, size in enumerate(a.shape) if i not in axes]
    attributes: dict[str, Any] = {"keepdims": int(bool(keepdims))}
    return a.op(operator, np.array(axes, np.int64), shape=shape, **attributes)


def _plain(options: dict[str, Any], function: str) -> None:
    given = [name for name, value in options.items() if value is not None and name not in ("out", "where")]
    given += [name for name in ("out", "where") if options.get(name) not in (None, True)]
    if given:
        raise Untraceable(f"it uses np.{function} with {', '.join(given)}")


def _numbers(a: Any, dtype: Any) -> Any:
    """An array whose numbers can be added: booleans become integers."""
    if dtype is not None:
        return a.astype(dtype)
    return a.astype(np.int64) if a.dtype == bool else a


@implements("sum")
def sum_(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Sums."""
    _plain(options, "sum")
    return reduced("ReduceSum", _numbers(a, dtype), axis, keepdims)


@implements("prod")
def prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Products."""
    _plain(options, "prod")
    return reduced("ReduceProd", _numbers(a, dtype), axis, keepdims)


@implements("mean")
def mean(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Means."""
    _plain(options, "mean")
    numbers = _numbers(a, dtype)
    numbers = numbers if numbers.dtype.kind == "f" else numbers.astype(np.float64)
    return reduced("ReduceMean", numbers, axis, keepdims)


@implements("var")
def var(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: Any = False, **options: Any) -> Any:
    """Variances."""
    _plain(options, "var")
    centred = a - mean(a, axis, keepdims=True)
    if not ddof:
        return mean(centred * centred, axis, dtype, keepdims)
    count: Any = 1
    for each in range(a.ndim) if axis is None else sequence(axis):
        count = a.shape[each] * count if free(a.shape[each]) else count * a.shape[each]
    return sum_(centred * centred, axis, dtype, keepdims) / (count - ddof)


@implements("std")
def std(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: Any = False, **options: Any) -> Any:
    """Standard deviations."""
    return np.sqrt(var(a, axis, dtype, ddof, keepdims, **options))


def _extreme(operator: str, function: str) -> Any:
    def extreme(a: Any, axis: Any = None, keepdims: Any = False, **options: Any) -> Any:
        _plain(options, function)
        if a.dtype == bool:
            return reduced(operator, a.astype(np.int32), axis, keepdims).astype(bool)
        return reduced(operator, a, axis, keepdims)

    return extreme


implements("max", "amax")(_extreme("ReduceMax", "max"))
implements("min", "amin")(_extreme("ReduceMin", "min"))


@implements("any")
def any_(a: Any, axis: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Whether any is true."""
    _plain(options, "any")
    return reduced("ReduceMax", a.astype(bool).astype(np.int32), axis, keepdims).astype(bool)


@implements("all")
def all_(a: Any, axis: Any = None, keepdims: Any = False, **options: Any) -> Any:
    """Whether all are true."""
    _plain(options, "all")
    return reduced("ReduceMin", a.astype(bool).astype(np.int32), axis, keepdims).astype(bool)


@implements("count_nonzero")
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """How many are not zero."""
    return reduced("ReduceSum", a.astype(bool).astype(np.int64), axis, keepdims)


def _position(operator: str) -> Any:
    def position(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        if axis is None:
            a, axis = ravel(a), 0
        axis %= a.ndim
        shape = [1 if i == axis else s for i, s in enumerate(a.shape) if keepdims or i != axis]
        return a.op(operator, shape=shape, dtype=np.int64, axis=axis, keepdims=int(bool(keepdims)))

    return position


implements("argmax")(_position("ArgMax"))
implements("argmin")(_position("ArgMin"))


@implements("cumsum")
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Sums of the first elements."""
    numbers = _numbers(a, dtype)
    if axis is None:
        numbers, axis = ravel(numbers), 0
    return numbers.op("CumSum", np.array(axis % numbers.ndim, np.int64), shape=numbers.shape)


@implements("linalg.norm", "norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """The Euclidean norm."""
    if ord not in (None, 2) or isinstance(axis, tuple):
        raise Untraceable("it uses a norm other than the Euclidean one of vectors")
    return np.sqrt(sum_(x * x, axis, keepdims=keepdims))


@implements("sort")
def sort(a: Any, axis: Any = -1, **options: Any) -> Any:
    """The elements of an axis in ascending order."""
    return _ordered(a, axis, options)[0]


@implements("argsort")
def argsort(a: Any, axis: Any = -1, **options: Any) -> Any:
    """The positions of the elements of an axis in ascending order."""
    return _ordered(a, axis, options)[1]


def _ordered(a: TracedArray, axis: int, options: dict[str, Any]) -> tuple[TracedArray, TracedArray]:
    _plain({key: value for key, value in options.items() if key not in ("kind", "stable")}, "sort")
    axis %= a.ndim
    values, places = a.scope.several("TopK", (a.name, a.scope.size(a.shape[axis])), 2, axis=axis, largest=0, sorted=1)
    return TracedArray(a.scope, values, a.shape, a.dtype), TracedArray(a.scope, places, a.shape, np.int64)
