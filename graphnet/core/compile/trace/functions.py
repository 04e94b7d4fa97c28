"""Numpy functions of symbols that are not ufuncs: products, concatenation, splitting, reductions, shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet.core.compile.trace.elementwise import as_vector, symbols_in
from graphnet.core.compile.trace.ir import FIXED, ROWS, TOTAL
from graphnet.core.compile.trace.symbol import HANDLERS, Symbol, Untraceable, implements


@implements("dot")
def matmul(a: Any, b: Any) -> Symbol:
    """A matrix product of rows and a fixed value, or of two rows, summed over them."""
    if not isinstance(a, Symbol) or not isinstance(b, Symbol):
        raise Untraceable("it multiplies by an array that is not an argument of the rule")
    trace = a.trace
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise Untraceable(f"a product of shapes {a.shape} and {b.shape}")
    kinds = (a.kind, b.kind)
    if kinds == (ROWS, ROWS) and a.transposed and not b.transposed and a.ndim == 2 and b.ndim == 2:
        return Symbol(trace, trace.outer(a.value, b.value), (a.shape[0], b.shape[1]), (), a.dtype)
    if kinds == (ROWS, FIXED) and not a.transposed and b.ndim == 2:
        return a.rows(trace.dot(a.value, b.value))
    if ROWS not in kinds and kinds != (TOTAL, TOTAL) and a.ndim == b.ndim == 2:
        shape = (a.shape[0], b.shape[1])
        return Symbol(trace, trace.fixed("matmul", (a.value, b.value), None, shape), shape, (), a.dtype)
    raise Untraceable("it uses a product other than rows @ matrix and rows.T @ rows")


@implements("concatenate")
def concatenate(arrays: Any, axis: int = 0, **options: Any) -> Symbol:
    """np.concatenate of rows along the last axis, or of fixed values or totals along any axis."""
    parts = list(arrays)
    if len(symbols_in(parts)) != len(parts) or options:
        raise Untraceable("it concatenates with an array that is not an argument of the rule")
    first = parts[0]
    trace, kinds = first.trace, {p.kind for p in parts}
    if kinds == {ROWS}:
        if axis % first.ndim != first.ndim - 1 or any(p.lead != first.lead or p.transposed for p in parts):
            raise Untraceable("it concatenates rows of several batches")
        return first.rows(trace.join(*[p.value for p in parts]))  # type: ignore[no-any-return]
    if ROWS in kinds:
        raise Untraceable("it concatenates rows with weights")
    value = trace.concatenate(tuple(p.value for p in parts), axis % first.ndim)
    return Symbol(trace, value, trace[value].shape, (), first.dtype)


@implements("split")
def split(x: Symbol, parts: Any, axis: int = 0) -> list[Symbol]:
    """np.split of rows into columns."""
    if axis % x.ndim != x.ndim - 1:
        raise Untraceable("it splits the rows")
    size = x.shape[-1]
    ends = [size * (i + 1) // parts for i in range(parts)] if isinstance(parts, int) else [*parts, size]
    return [x[..., a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


@implements("broadcast_to")
def broadcast_to(array: Any, shape: Any, **options: Any) -> Symbol:
    """A fixed vector, or one number, for each row."""
    if options or array.kind != FIXED or math.prod(array.shape[:-1]) != 1 or (*shape[-1:],) != (*array.shape[-1:],):
        raise Untraceable("it broadcasts an array to another shape than rows")
    value = array.trace.spread(as_vector(array.trace, array.value))
    return Symbol(array.trace, value, tuple(shape), tuple(shape[:-1]), array.dtype)


def _filled(number: float) -> Any:
    def like(x: Symbol, dtype: Any = None, **options: Any) -> Symbol:
        if x.kind != ROWS or x.transposed or (dtype is not None and np.dtype(dtype) != x.dtype):
            raise Untraceable("it makes an array of constants")
        return x.like(x.trace.copy(x.trace.constant(number), x.shape[-1]), x.shape)

    return like


HANDLERS.update(
    {
        "sum": lambda x, axis=None, keepdims=False, **o: x.sum(axis=axis, keepdims=keepdims, **o),
        "mean": lambda x, axis=None, keepdims=False, **o: x.mean(axis=axis, keepdims=keepdims, **o),
        "max": lambda x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
        "amax": lambda x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
        "min": lambda x, axis=None, keepdims=False: x.min(axis=axis, keepdims=keepdims),
        "transpose": lambda x, axes=None: x.transpose() if axes is None else x.transpose(axes),
        "reshape": lambda x, shape, **o: x.reshape(shape),
        "zeros_like": _filled(0.0),
        "ones_like": _filled(1.0),
        "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
        "shape": lambda x: x.shape,
        "ndim": lambda x: x.ndim,
        "hsplit": lambda x, n: split(x, n, -1),
    }
)
