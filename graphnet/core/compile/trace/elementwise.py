"""Ufuncs of symbols and numbers: elementwise operations on rows, weights and sums over rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnet.core.compile.trace.inner_axes import operand
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, ROWS, SPREAD, TOTAL, Trace
from graphnet.core.compile.trace.symbol import Symbol, implements
from graphnet.core.compile.trace.ufuncs import BITWISE, ON_BOOLEANS, PREDICATES, UFUNCS
from graphnet.core.compile.trace.untraceable import Untraceable

#: Powers that are computed by other operations.
SIMPLE_POWERS: dict[float, Any] = {
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    0.5: np.sqrt,
    -1.0: lambda x: 1.0 / x,
}


def symbols_in(values: Sequence[Any]) -> list[Symbol]:
    """The symbols among some operands."""
    return [v for v in values if isinstance(v, Symbol)]


def number_of(trace: Trace, value: Any, dtype: Any) -> int:
    """The number of an operand's value: of a symbol, or of a Python number as a constant."""
    if isinstance(value, Symbol):
        return value.value
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim:
        raise Untraceable("it uses an array that is not an argument of the rule")
    if isinstance(value, (np.generic, np.ndarray)) and np.result_type(dtype, value.dtype) != dtype:
        raise Untraceable(f"it uses a number of dtype {value.dtype}, to which the result would be promoted")
    if isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        return trace.constant(float(value))
    raise Untraceable(f"it computes with a {type(value).__name__}")


@implements("ufunc")
def ufunc(name: str, *values: Any) -> Symbol:
    """A ufunc of symbols and numbers."""
    if name not in UFUNCS and name not in BITWISE:
        raise Untraceable(f"it uses np.{name}")
    symbols = symbols_in(values)
    trace = symbols[0].trace
    dtype = next((s.dtype for s in symbols if s.dtype.kind == "f"), np.dtype(float))
    if name == "power" and not isinstance(values[1], Symbol) and float(values[1]) in SIMPLE_POWERS:
        return SIMPLE_POWERS[float(values[1])](values[0])  # type: ignore[no-any-return]
    name = _on_booleans(name, values)
    args = [v.value if isinstance(v, Symbol) else number_of(trace, v, dtype) for v in values]
    rows = [s for s in symbols if trace.values[s.value].kind == ROWS]
    if not rows:
        return _without_rows(trace, name, args, np.broadcast_shapes(*[s.shape for s in symbols]), dtype)
    first = rows[0]
    if len(first.shape) != len(first.lead) + 1 or first.fold != 1:
        return _on_inner_axes(trace, symbols, values, lambda own: trace.ufunc(name, *own), name in PREDICATES)
    args = _unspread(trace, args, name in PREDICATES)
    if all(trace.values[a].kind in (FIXED, CONSTANT) for a in args):  # of weights alone: once for all rows
        value = trace.spread(trace.ufunc(name, *args))
        shape = np.broadcast_shapes(*[s.shape for s in symbols])
        return Symbol(trace, value, shape, first.lead, bool if trace[value].boolean else dtype)
    alike = len(rows) == len(symbols) and len({(s.shape, s.lead, s.transposed) for s in rows}) == 1
    if not alike or first.transposed:
        shape = _row_shape(trace, symbols, rows, args)
        value = trace.ufunc(name, *[as_vector(trace, a) for a in args])
        return Symbol(trace, value, shape, first.lead, bool if trace[value].boolean else dtype)
    return Symbol(trace, trace.ufunc(name, *args), first.shape, first.lead, bool if name in PREDICATES else dtype)


def _on_inner_axes(
    trace: Trace, symbols: list[Symbol], values: Sequence[Any], record: Callable[[list[int]], int], predicate: bool
) -> Symbol:
    """An elementwise operation on rows with any inner axes; ``record`` adds it on operands that broadcast."""
    first, dtype, shape = _joint(symbols)
    inner = shape[len(first.lead) :]
    alike = all(s.shape == shape and s.kind == ROWS for s in symbols)
    plain = [s.value for s in symbols] if alike else []
    args = []
    for value in values:
        own = value if isinstance(value, Symbol) else None
        args.append(number_of(trace, value, dtype) if own is None else operand(own, inner, first.fold))
    units = first.fold * math.prod(inner)
    kinds = {trace[a].kind for a in args}
    if ROWS not in kinds and (predicate or FIXED not in kinds or _width(trace, args) < units):
        args = plain if len(plain) == len(args) else [_filled(trace, a, units) for a in args]
    elif _width(trace, args) < units:
        args = [trace.expand(a, units, 1) if trace[a].kind == ROWS else a for a in args]
    if any(_width(trace, [a]) not in (1, units) for a in args):
        raise Untraceable(f"an operand does not have {units} units")
    result = record(args)
    if trace[result].kind == FIXED:
        result = trace.spread(result)
    if trace[result].width != units:
        raise Untraceable(f"its result has {trace[result].width} units where {units} are expected")
    return Symbol(trace, result, shape, first.lead, bool if trace[result].boolean else dtype, False, first.fold)


def _filled(trace: Trace, value: int, units: int) -> int:
    """A number or a vector of weights for each row."""
    if trace[value].kind == CONSTANT:
        return trace.copy(value, units)
    return trace.copy(value, units if trace[value].width == 1 else None, SPREAD)


def _joint(symbols: Sequence[Symbol]) -> tuple[Symbol, Any, tuple[int, ...]]:
    """The first rows, the dtype and the shape of an elementwise operation on rows with inner axes."""
    rows = [s for s in symbols if s.kind == ROWS]
    first, dtype = rows[0], next((s.dtype for s in symbols if s.dtype.kind == "f"), np.dtype(float))
    if any(s.transposed or s.lead != first.lead or s.fold != first.fold for s in rows):
        raise Untraceable("it mixes rows of different axes")
    if any(s.kind == TOTAL for s in symbols):
        raise Untraceable("it computes with sums over rows")
    if any(s.ndim != first.ndim for s in rows):
        raise Untraceable(f"it combines rows of different numbers of axes: {', '.join(str(s.shape) for s in rows)}")
    shape = np.broadcast_shapes(*[s.shape for s in symbols])
    if len(shape) != first.ndim or shape[: len(first.lead)] != first.lead:
        raise Untraceable(f"shapes {', '.join(str(s.shape) for s in symbols)} do not broadcast to rows")
    return first, dtype, shape


def _unspread(trace: Trace, args: list[int], predicate: bool) -> list[int]:
    """Operands that are the same for all rows by their vectors and numbers, where others give the result its width.

    Truth values are not spread, so a predicate of such operands alone reads rows.
    """
    sources = [trace.unspread(a) for a in args]
    if sources == args or _width(trace, sources) < _width(trace, args):
        return args
    kinds = {trace.values[a].kind for a in sources}
    return sources if ROWS in kinds or (FIXED in kinds and not predicate) else args


def _width(trace: Trace, values: list[int]) -> int:
    return max([trace[v].width for v in values])


def _on_booleans(name: str, values: Sequence[Any]) -> str:
    """The ufunc to record: arithmetic on booleans alone is logic."""
    if all(v.dtype == bool if isinstance(v, Symbol) else isinstance(v, bool) for v in values):
        logical = ON_BOOLEANS.get(name, name)
        if logical not in PREDICATES:
            raise Untraceable(f"it uses np.{name} of booleans")
        return logical
    if name in BITWISE:
        raise Untraceable(f"it uses np.{name} of numbers")
    return name


def _without_rows(trace: Trace, name: str, args: list[int], shape: tuple[int, ...], dtype: Any) -> Symbol:
    """A ufunc of fixed values, or one of totals that is linear in them."""
    value = trace.ufunc(name, *args)
    if trace[value].kind == TOTAL:
        totals = [trace[a].kind == TOTAL for a in args]
        linear = {
            "add": all(totals),
            "subtract": all(totals),
            "negative": True,
            "positive": True,
            "multiply": totals.count(True) == 1,
            "divide": totals == [True, False],
        }
        if not linear.get(name, False):
            raise Untraceable(f"its result is not linear in a sum over the rows (np.{name})")
    return Symbol(trace, value, shape, (), bool if trace[value].boolean else dtype)


def _row_shape(trace: Trace, symbols: Sequence[Symbol], rows: Sequence[Symbol], args: list[int]) -> tuple[int, ...]:
    """The shape of a ufunc's result from rows and other operands."""
    first = rows[0]
    if any((s.transposed, s.lead, s.fold, s.ndim) != (first.transposed, first.lead, 1, first.ndim) for s in rows):
        raise Untraceable("it mixes rows of different axes")
    if first.transposed or any(trace[a].kind == TOTAL for a in args):
        raise Untraceable("it computes with transposed rows, or with sums over rows")
    if any(s.kind == FIXED and math.prod(s.shape[:-1]) != 1 for s in symbols):
        raise Untraceable("it combines rows with an array of several rows")
    shape = np.broadcast_shapes(*[s.shape for s in symbols])
    if shape[:-1] != first.lead:
        raise Untraceable(f"shapes {', '.join(str(s.shape) for s in symbols)} do not broadcast to rows")
    return shape


def as_vector(trace: Trace, value: int) -> int:
    """A fixed operand as a vector; any other operand as it is."""
    operation = trace[value]
    if operation.kind != FIXED or len(operation.shape) == 1:
        return value
    shape = operation.shape[-1:] or (1,)
    return trace.fixed("reshape", (value,), shape, shape)


@implements("where")
def where(condition: Any, a: Any, b: Any) -> Symbol:
    """np.where on rows."""
    symbols = symbols_in((condition, a, b))
    trace = symbols[0].trace
    rows = [s for s in symbols if s.kind == ROWS]
    if not rows or any(s.kind == TOTAL for s in symbols):
        raise Untraceable("it uses np.where on values that are not rows")
    first = rows[0]
    if any(s.inner != first.inner or s.ndim != first.ndim or s.fold != 1 for s in rows) or len(first.inner) != 1:
        return _on_inner_axes(trace, symbols, (condition, a, b), lambda own: trace.where(*own), True)
    if any(s.transposed or s.lead != first.lead for s in rows):
        raise Untraceable("it uses np.where on values that are not rows")
    dtype = next((s.dtype for s in symbols if s.dtype.kind == "f"), np.dtype(float))
    value = trace.where(*[as_vector(trace, number_of(trace, v, dtype)) for v in (condition, a, b)])
    return Symbol(trace, value, (*first.lead, trace[value].width), first.lead, dtype)
