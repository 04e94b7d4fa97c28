"""Numpy functions of symbols that are not ufuncs: products, concatenation, splitting, reductions, shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphnet.core.compile.trace.elementwise import symbols_in
from graphnet.core.compile.trace.inner_axes import expanded, vector
from graphnet.core.compile.trace.ir import FIXED, ROWS, SPREAD, TOTAL, Trace
from graphnet.core.compile.trace.symbol import HANDLERS, Symbol, implements
from graphnet.core.compile.trace.untraceable import Untraceable

#: Multiplications of a product of two matrices in each row, for each of their numbers, at most: they are computed one
#: by one, and beyond that a product of the rule itself is faster. Those of a matrix and a vector have about one.
MOST_MULTIPLICATIONS = 8
#: Products of one value with one matrix, at most; each is an operation.
MOST_PRODUCTS = 64


@implements("dot")
def dot(a: Any, b: Any) -> Symbol:
    """``np.dot`` and ``np.matmul`` where they are the same, and ``np.matmul`` of matrices in each row."""
    if not isinstance(a, Symbol) or not isinstance(b, Symbol):
        raise Untraceable("it multiplies by an array that is not an argument of the rule")
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise Untraceable(f"a product of shapes {a.shape} and {b.shape}")
    product = _PRODUCTS.get((a.kind, b.kind))
    result = None if product is None else product(a, b)
    if result is None:
        raise Untraceable("it uses a product other than rows @ matrix, rows.T @ rows and matrices in each row")
    return result


def _rows_by_rows(a: Symbol, b: Symbol) -> Symbol | None:
    """``a.T @ b`` summed over rows, or the product of two matrices in each row."""
    trace = a.trace
    if a.transposed and not b.transposed and a.ndim == b.ndim == 2 and a.fold == b.fold:
        total, rows, columns = None, a.shape[0], b.shape[1]
        for i in range(a.fold):
            left = trace.columns(a.value, i * rows, (i + 1) * rows)
            part = trace.outer(left, trace.columns(b.value, i * columns, (i + 1) * columns))
            total = part if total is None else trace.ufunc("add", total, part)
        return None if total is None else Symbol(trace, total, (rows, columns), (), a.dtype)
    if a.transposed or b.transposed or min(len(a.inner), len(b.inner)) < 2:
        return None
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    if rows * inner * columns > MOST_MULTIPLICATIONS * (rows * inner + inner * columns + rows * columns):
        raise Untraceable(
            f"it multiplies matrices of {a.shape[-2:]} and {b.shape[-2:]} in each row, which are too large"
        )
    return (a[..., None] * b[..., None, :, :]).sum(axis=-2)  # type: ignore[no-any-return]


def _rows_by_fixed(a: Symbol, b: Symbol) -> Symbol | None:
    """Rows times a matrix; with further inner axes, a product for each of their units."""
    if a.transposed:
        return None
    trace, size = a.trace, b.shape[-2]
    if b.ndim > 2:
        return _matrix_for_each(a, b)
    count = trace[a.value].width // size
    if count > MOST_PRODUCTS:
        raise Untraceable(f"it multiplies {count} vectors of each row by one matrix")
    parts = [trace.dot(trace.columns(a.value, i * size, (i + 1) * size), b.value) for i in range(count)]
    return a.rows(trace.join(*parts), (*a.inner[:-1], b.shape[1]))


def _matrix_for_each(a: Symbol, b: Symbol) -> Symbol | None:
    """Rows times matrices: for each unit of some inner axes another one, such as those of heads."""
    axes, trace = b.shape[:-2], a.trace
    if a.inner[:-2] != axes or a.fold != 1 or math.prod(axes) > MOST_PRODUCTS:
        return None
    matrices, step, parts = b.reshape(-1, *b.shape[-2:]), math.prod(a.inner[-2:]), []
    for i in range(math.prod(axes)):
        matrix = a.rows(trace.columns(a.value, i * step, (i + 1) * step), a.inner[-2:])
        product = _rows_by_fixed(matrix, matrices[i])
        if product is None:
            return None
        parts.append(product.value)
    return a.rows(trace.join(*parts), (*a.inner[:-1], b.shape[-1]))


def _fixed_by_rows(a: Symbol, b: Symbol) -> Symbol | None:
    """A matrix times the matrix in each row, by the product of their transposes."""
    if a.ndim != 2 or b.transposed or len(b.inner) < 2:
        return None
    turned: Symbol = dot(b.swapaxes(-1, -2), a.T)
    return turned.swapaxes(-1, -2)


def _fixed(a: Symbol, b: Symbol) -> Symbol | None:
    """A product of values computed from weights, or from sums over rows."""
    if a.ndim != 2 or b.ndim != 2 or a.kind == b.kind == TOTAL:
        return None
    shape = (a.shape[0], b.shape[1])
    return Symbol(a.trace, a.trace.fixed("matmul", (a.value, b.value), None, shape), shape, (), a.dtype)


#: Products by the kinds of their operands.
_PRODUCTS = {
    (ROWS, ROWS): _rows_by_rows,
    (ROWS, FIXED): _rows_by_fixed,
    (FIXED, ROWS): _fixed_by_rows,
    (FIXED, FIXED): _fixed,
    (FIXED, TOTAL): _fixed,
    (TOTAL, FIXED): _fixed,
}


@implements("matmul")
def matmul(a: Any, b: Any) -> Symbol:
    """``np.matmul`` of values with at least two axes."""
    product: Symbol = dot(a, b)
    return product


@implements("matvec")
def matvec(m: Any, v: Any) -> Any:
    """``np.matvec`` of a matrix and a vector in each row."""
    return (m * v[..., None, :]).sum(axis=-1)


@implements("vecmat")
def vecmat(v: Any, m: Any) -> Any:
    """``np.vecmat`` of a vector and a matrix in each row."""
    return (v[..., None] * m).sum(axis=-2)


@implements("vecdot")
def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    """``np.vecdot`` of two vectors in each row."""
    return (a * b).sum(axis=axis)


@implements("concatenate")
def concatenate(arrays: Any, axis: int = 0, **options: Any) -> Symbol:
    """np.concatenate of rows along an inner axis, or of fixed values or totals along any axis."""
    parts = list(arrays)
    if len(symbols_in(parts)) != len(parts) or options:
        raise Untraceable("it concatenates with an array that is not an argument of the rule")
    first = parts[0]
    trace, kinds, axis = first.trace, {p.kind for p in parts}, axis % first.ndim
    if kinds == {ROWS}:
        alike = {(p.lead, p.fold, p.transposed, p.ndim) for p in parts} == {(first.lead, first.fold, False, first.ndim)}
        if axis < len(first.lead) or not alike or len({(*p.shape[:axis], *p.shape[axis + 1 :]) for p in parts}) != 1:
            raise Untraceable("it concatenates rows of several batches")
        sizes = [p.shape[axis] for p in parts]
        below = math.prod(first.shape[axis + 1 :])
        outer = trace[first.value].width // (sizes[0] * below)
        value = _joined(trace, [p.value for p in parts], [n * below for n in sizes], outer)
        return first.rows(value, (*first.shape[len(first.lead) : axis], sum(sizes), *first.shape[axis + 1 :]))  # type: ignore[no-any-return]
    if ROWS in kinds:
        raise Untraceable("it concatenates rows with weights")
    value = trace.concatenate(tuple(p.value for p in parts), axis)
    return Symbol(trace, value, trace[value].shape, (), first.dtype)


def _joined(trace: Trace, values: list[int], widths: list[int], outer: int) -> int:
    """Units ``(outer, width)`` of several values, side by side for each of ``outer``."""
    if outer == 1:
        return trace.join(*values)
    turned = [trace.permute(v, (outer, n), (1, 0)) for v, n in zip(values, widths, strict=True)]
    return trace.permute(trace.join(*turned), (sum(widths), outer), (1, 0))


@implements("stack")
def stack(arrays: Any, axis: int = 0, **options: Any) -> Symbol:
    """np.stack of rows along a new inner axis."""
    parts = list(arrays)
    if len(symbols_in(parts)) != len(parts) or any(p.kind != ROWS for p in parts):
        raise Untraceable("it stacks arrays that are not rows")
    axis = axis % (parts[0].ndim + 1)
    stacked: Symbol = concatenate([expand_dims(p, axis) for p in parts], axis, **options)
    return stacked


@implements("expand_dims")
def expand_dims(x: Any, axis: Any) -> Any:
    """np.expand_dims."""
    rank = x.ndim + len(np.atleast_1d(axis))
    axes = {int(a) % rank for a in np.atleast_1d(axis)}
    return x[tuple(None if a in axes else slice(None) for a in range(rank))]


@implements("moveaxis")
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """np.moveaxis."""
    places = {int(d) % x.ndim: int(s) % x.ndim for s, d in zip(*map(np.atleast_1d, (source, destination)), strict=True)}
    rest = iter([a for a in range(x.ndim) if a not in places.values()])
    return x.transpose([places[a] if a in places else next(rest) for a in range(x.ndim)])


@implements("split")
def split(x: Symbol, parts: Any, axis: int = 0) -> list[Symbol]:
    """np.split of rows along an inner axis."""
    axis = axis % x.ndim
    if axis < len(x.lead):
        raise Untraceable("it splits the rows")
    size = x.shape[axis]
    ends = [size * (i + 1) // parts for i in range(parts)] if isinstance(parts, int) else [*parts, size]
    before = (slice(None),) * axis
    return [x[(*before, slice(a, b))] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


@implements("broadcast_to")
def broadcast_to(array: Any, shape: Any, **options: Any) -> Symbol:
    """A fixed array, or one number, for each row; rows with inner axes repeated."""
    shape, trace = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,), array.trace
    if array.kind == TOTAL and not options:
        return array.like(trace.fixed("broadcast", (array.value,), shape, shape), shape)  # type: ignore[no-any-return]
    first = len(array.lead or trace.lead) or len(shape) - 1
    lead, inner = shape[:first], shape[first:]
    if options or not inner or array.kind not in (FIXED, ROWS) or np.broadcast_shapes(array.shape, shape) != shape:
        raise Untraceable("it broadcasts an array to another shape than rows")
    if array.kind == ROWS:
        if array.transposed or array.lead != lead or array.ndim != len(shape):
            raise Untraceable("it broadcasts rows to other rows")
        value = expanded(trace, array.value, (array.fold, *array.inner), (array.fold, *inner))
        return array.rows(value, inner)  # type: ignore[no-any-return]
    value = vector(trace, array.value, inner)
    units = math.prod(inner)
    value = trace.spread(value) if trace[value].width == units else trace.copy(value, units, SPREAD)
    return Symbol(trace, value, shape, lead, array.dtype)


def _filled(number: float) -> Any:
    def like(x: Symbol, dtype: Any = None, **options: Any) -> Symbol:
        if x.kind != ROWS or x.transposed or (dtype is not None and np.dtype(dtype) != x.dtype):
            raise Untraceable("it makes an array of constants")
        return x.like(x.trace.copy(x.trace.constant(number), x.trace[x.value].width), x.shape)

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
        "swapaxes": lambda x, a, b: x.swapaxes(a, b),
        "squeeze": lambda x, axis=None: x.squeeze(axis),
        "zeros_like": _filled(0.0),
        "ones_like": _filled(1.0),
        "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
        "shape": lambda x: x.shape,
        "ndim": lambda x: x.ndim,
        "hsplit": lambda x, n: split(x, n, -1),
    }
)
