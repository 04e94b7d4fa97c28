"""Symbolic arrays: what a layer's rules are run on, once, so that the compiler can read them.

``apply`` of a TanH on a symbol gives the one operation ``tanh``; its ``pull`` gives two products and a difference. A
rule that needs numbers (a branch on values, ``np.asarray``, assignment in place) raises Untraceable, and its layer is
run as it is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from graphnet.core.compile.trace.ir import FIXED, ROWS, TOTAL, Trace
from graphnet.core.compile.trace.ufuncs import BITWISE, ON_BOOLEANS, PREDICATES, UFUNCS


class Untraceable(Exception):
    """A rule does what cannot be read; the message says what."""


class RowLengths(NDArrayOperatorsMixin):
    """Stands for the row lengths of a pass: a rule may compare it with None, and not read it.

    A rule that reads the lengths treats the steps of a row differently from those of another, so it is called as it is
    written. One that asks for lengths, and uses them in other configurations only, can be traced.
    """

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise Untraceable("it depends on the lengths of the rows")

    __array__ = __array_ufunc__ = __array_function__ = __getattr__ = __getitem__ = _refuse
    __iter__ = __len__ = __bool__ = __index__ = _refuse


class Symbol(NDArrayOperatorsMixin):
    """An array of a known shape and an unknown content.

    Parameters
    ----------
    trace : Trace
    value : int
        Its number there.
    shape : tuple of int
        As the rule sees it. Values of the kind ROWS have the rows' axes first, ``lead``, and one more.
    lead : tuple of int
        The rows' axes; empty for other kinds.
    dtype : numpy dtype
    flipped : bool
        Whether the rule has transposed it (rows only).
    """

    def __init__(
        self,
        trace: Trace,
        value: int,
        shape: tuple[int, ...],
        lead: tuple[int, ...],
        dtype: Any,
        flipped: bool = False,
    ) -> None:
        self.trace, self.value, self.shape, self.lead = trace, value, shape, lead
        self.dtype, self.flipped = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype), flipped

    # ------------------------------------------------------------------ what it says of itself
    @property
    def kind(self) -> str:
        return self.trace[self.value].kind

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Symbol({self.trace[self.value].name}, shape={self.shape})"

    def _refuse(self, what: str) -> Any:
        raise Untraceable(what)

    def __bool__(self) -> bool:
        return bool(self._refuse("it branches on the numbers of an array"))

    def __float__(self) -> float:
        return float(self._refuse("it reads a number out of an array"))

    def __int__(self) -> int:
        return int(self._refuse("it reads a number out of an array"))

    __index__ = __int__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self._refuse("it turns its argument into a plain array (np.asarray, or a function that needs one)")

    def __setitem__(self, index: Any, value: Any) -> None:
        self._refuse("it assigns to part of an array")

    def __iter__(self) -> Any:
        return self._refuse("it goes through an array element by element")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Untraceable(f"it uses .{name} of an array")

    # ------------------------------------------------------------------ making others
    def _like(self, value: int, shape: tuple[int, ...], dtype: Any = None) -> Symbol:
        lead = self.lead if self.trace[value].kind == ROWS else ()
        return Symbol(self.trace, value, shape, lead, self.dtype if dtype is None else dtype)

    def _rows(self, value: int) -> Symbol:
        """A value of rows, with this symbol's row axes."""
        dtype = np.dtype(bool) if self.trace[value].boolean else self.dtype
        return self._like(value, (*self.lead, self.trace[value].width), dtype)

    @property
    def T(self) -> Symbol:
        return self.transpose()

    def transpose(self, *axes: Any) -> Symbol:
        if axes and axes not in (((1, 0),), (1, 0)):
            self._refuse("it transposes more than two axes")
        if self.kind == ROWS:
            if self.ndim != 2:
                self._refuse("it transposes more than two axes")
            return Symbol(self.trace, self.value, self.shape[::-1], self.lead, self.dtype, not self.flipped)
        if self.ndim < 2:
            return self
        return self._like(self.trace.fixed("transpose", (self.value,), None, self.shape[::-1]), self.shape[::-1])

    def copy(self) -> Symbol:
        return self

    def astype(self, dtype: Any, **options: Any) -> Symbol:
        wanted = np.dtype(dtype)
        if wanted == self.dtype:
            return self
        if self.dtype == bool and wanted.kind == "f" and self.kind == ROWS:
            return self._like(self.trace.ufunc("multiply", self.value, self.trace.constant(1.0)), self.shape, wanted)
        return self._refuse(f"it casts to {wanted}")  # type: ignore[no-any-return]

    def reshape(self, *shape: Any, **options: Any) -> Symbol:
        wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else tuple(shape)
        if wanted.count(-1) == 1:
            rest = -math.prod(wanted)
            wanted = tuple(self.size // rest if n == -1 and rest else n for n in wanted)
        if math.prod(wanted) != self.size:
            self._refuse(f"it reshapes {self.shape} to {wanted}")
        if self.kind != ROWS:
            return self._like(self.trace.fixed("reshape", (self.value,), wanted, wanted), wanted)
        width = self.trace[self.value].width
        if not wanted or wanted[-1] != width or self.flipped:
            self._refuse(f"it reshapes rows {self.shape} to {wanted}")
        return Symbol(self.trace, self.value, wanted, wanted[:-1], self.dtype)

    def __getitem__(self, index: Any) -> Symbol:
        items = index if isinstance(index, tuple) else (index,)
        if any(isinstance(i, (np.ndarray, Symbol, list)) for i in items):
            self._refuse("it indexes by an array")
        if self.kind != ROWS:
            return self._part(items)
        return self._columns(items)

    def _part(self, items: tuple[Any, ...]) -> Symbol:
        """Part of a fixed value or a total."""
        dummy = np.broadcast_to(0.0, self.shape)
        shape = dummy[items].shape
        spec = tuple(
            ("...",) if i is Ellipsis else ("new",) if i is None
            else (i.start, i.stop, i.step) if isinstance(i, slice) else int(i)
            for i in items
        )  # fmt: skip
        return self._like(self.trace.fixed("part", (self.value,), spec, shape), shape)

    def _columns(self, items: tuple[Any, ...]) -> Symbol:
        """Some columns of rows."""
        if self.flipped:
            self._refuse("it indexes transposed rows")
        before = [i for i in items if i is not Ellipsis]
        if Ellipsis not in items:
            before += [slice(None)] * (self.ndim - len(before))
        elif items[0] is Ellipsis:
            before = [slice(None)] * (self.ndim - len(before)) + before
        else:
            before = [
                *items[: items.index(Ellipsis)],
                *[slice(None)] * (self.ndim - len(before)),
                *items[items.index(Ellipsis) + 1 :],
            ]
        *rows, last = before
        if len(before) != self.ndim or any(i != slice(None) for i in rows) or not isinstance(last, slice):
            self._refuse("it picks rows, or single columns, of an array")
        start, stop, step = last.indices(self.shape[-1])
        if step != 1 or stop <= start:
            self._refuse("it picks columns with a step")
        return self._rows(self.trace.columns(self.value, start, stop))

    # ------------------------------------------------------------------ reductions
    def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        if options.get("out") is not None:
            self._refuse("it writes into an array (out=)")
        if self.kind != ROWS:
            dummy = np.broadcast_to(0.0, self.shape).sum(axis=axis, keepdims=keepdims)
            spec = (axis, bool(keepdims))
            return self._like(self.trace.fixed("sum", (self.value,), spec, dummy.shape), dummy.shape)
        axes = set(range(self.ndim)) if axis is None else {a % self.ndim for a in np.atleast_1d(axis)}
        rows = set(range(len(self.lead)))
        if axes == {self.ndim - 1} and not self.flipped:
            return self._reduced("add", keepdims)
        if not rows <= axes or self.flipped:
            return self._refuse("it sums over some of the rows' axes")  # type: ignore[no-any-return]
        total = self.trace.rowsum(self.value)
        width = self.shape[-1]
        found = Symbol(self.trace, total, (width,), (), self.dtype)
        if axes > rows:
            found = found.sum()
        shape = tuple(1 if i in axes else n for i, n in enumerate(self.shape)) if keepdims else found.shape
        return found if shape == found.shape else found.reshape(shape)

    def _reduced(self, name: str, keepdims: bool) -> Symbol:
        if not keepdims:
            self._refuse("it drops the last axis of rows (keepdims=False)")
        return self._rows(self.trace.reduce(name, self.value))

    def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        return self._extreme("maximum", axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        return self._extreme("minimum", axis, keepdims)

    def _extreme(self, name: str, axis: Any, keepdims: bool) -> Symbol:
        if self.kind != ROWS or axis is None or axis % self.ndim != self.ndim - 1:
            self._refuse("it takes an extreme over the rows")
        return self._reduced(name, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        axes = range(self.ndim) if axis is None else np.atleast_1d(axis)
        return self.sum(axis=axis, keepdims=keepdims) / math.prod(self.shape[a] for a in axes)  # type: ignore[no-any-return]

    def dot(self, other: Any) -> Any:
        return self @ other

    # ------------------------------------------------------------------ numpy's protocols
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(o is not None for o in (options.get("out"), options.get("where"))):
            self._refuse("it writes into an array (out=, or +=)")
        if method == "reduce":
            return self._ufunc_reduce(ufunc, inputs[0], **options)
        if method != "__call__" or set(options) - {"out", "where"}:
            self._refuse(f"it uses np.{ufunc.__name__}.{method} with {', '.join(options)}")
        if ufunc is np.matmul:
            return matmul(*inputs)
        if ufunc.__name__ not in UFUNCS and ufunc.__name__ not in BITWISE:
            self._refuse(f"it uses np.{ufunc.__name__}")
        return elementwise(ufunc.__name__, *inputs)

    def _ufunc_reduce(
        self, ufunc: np.ufunc, x: Symbol, axis: Any = 0, keepdims: bool = False, **options: Any
    ) -> Symbol:
        if ufunc is np.add:
            return x.sum(axis=axis, keepdims=keepdims)
        if ufunc in (np.maximum, np.minimum):
            return x._extreme(ufunc.__name__, axis, keepdims)
        return self._refuse(f"it uses np.{ufunc.__name__}.reduce")  # type: ignore[no-any-return]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        known = FUNCTIONS.get(function.__name__)
        if known is None:
            return self._refuse(f"it uses np.{function.__name__}")
        return known(*args, **kwargs)


# ---------------------------------------------------------------------- functions of several
def _symbols(values: Sequence[Any]) -> list[Symbol]:
    return [v for v in values if isinstance(v, Symbol)]


def _number(trace: Trace, value: Any, dtype: Any) -> int:
    """The value of an operand: a symbol's own, or a Python number."""
    if isinstance(value, Symbol):
        return value.value
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim:
        raise Untraceable("it uses an array that is no argument of the rule")
    if isinstance(value, (np.generic, np.ndarray)) and np.result_type(dtype, value.dtype) != dtype:
        raise Untraceable(f"it uses a number of dtype {value.dtype}, which would make the result that, too")
    if isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        return trace.constant(float(value))
    raise Untraceable(f"it computes with a {type(value).__name__}")


def elementwise(name: str, *values: Any) -> Symbol:
    """A ufunc of symbols and numbers."""
    found = _symbols(values)
    trace = found[0].trace
    dtype = next((s.dtype for s in found if s.dtype.kind == "f"), np.dtype(float))
    if name == "power" and not isinstance(values[1], Symbol) and float(values[1]) in SIMPLE_POWERS:
        return SIMPLE_POWERS[float(values[1])](values[0])  # type: ignore[no-any-return]
    name = _meant(name, values)
    args = [v.value if isinstance(v, Symbol) else _number(trace, v, dtype) for v in values]
    rows = [s for s in found if trace.values[s.value].kind == ROWS]
    if not rows:
        return _of_fixed(trace, name, args, np.broadcast_shapes(*[s.shape for s in found]), dtype)
    like = rows[0]
    alike = len(rows) == len(found) and len({(s.shape, s.lead, s.flipped) for s in rows}) == 1
    if not alike or like.flipped or like.shape[:-1] != like.lead:
        shape = _rows_of(trace, found, rows, args)
        value = trace.ufunc(name, *[_flat(trace, a) for a in args])
        return Symbol(trace, value, shape, like.lead, bool if trace[value].boolean else dtype)
    return Symbol(trace, trace.ufunc(name, *args), like.shape, like.lead, bool if name in PREDICATES else dtype)


def _meant(name: str, values: Sequence[Any]) -> str:
    """The operation that a ufunc is on these operands: arithmetic with truth values alone is logic."""
    if all(v.dtype == bool if isinstance(v, Symbol) else isinstance(v, bool) for v in values):
        logic = ON_BOOLEANS.get(name, name)
        if logic not in PREDICATES:
            raise Untraceable(f"it uses np.{name} of truth values")
        return logic
    if name in BITWISE:
        raise Untraceable(f"it uses np.{name} of numbers")
    return name


def _of_fixed(trace: Trace, name: str, args: list[int], shape: tuple[int, ...], dtype: Any) -> Symbol:
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
            raise Untraceable(f"what it does with a sum over the rows is not linear (np.{name})")
    return Symbol(trace, value, shape, (), bool if trace[value].boolean else dtype)


def _rows_of(trace: Trace, found: Sequence[Symbol], rows: Sequence[Symbol], args: list[int]) -> tuple[int, ...]:
    """The shape of a ufunc's result from rows and others, where these go together."""
    like = rows[0]
    if any(s.flipped != like.flipped or s.lead != like.lead for s in rows):
        raise Untraceable("it mixes rows of different axes")
    if like.flipped or any(trace[a].kind == TOTAL for a in args):
        raise Untraceable("it computes with transposed rows, or with sums over rows")
    if any(s.kind == FIXED and math.prod(s.shape[:-1]) != 1 for s in found):
        raise Untraceable("it combines rows with an array of several rows")
    shape = np.broadcast_shapes(*[s.shape for s in found])
    if shape[:-1] != like.lead:
        raise Untraceable(f"shapes {', '.join(str(s.shape) for s in found)} do not make rows")
    return shape


def _flat(trace: Trace, value: int) -> int:
    """A fixed operand as a vector."""
    operation = trace[value]
    if operation.kind != FIXED or len(operation.shape) == 1:
        return value
    shape = operation.shape[-1:] or (1,)
    return trace.fixed("reshape", (value,), shape, shape)


def matmul(a: Any, b: Any) -> Symbol:
    """A product of matrices: of rows with a fixed one, or summed over the rows."""
    if not isinstance(a, Symbol) or not isinstance(b, Symbol):
        raise Untraceable("it multiplies by an array that is no argument of the rule")
    trace = a.trace
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise Untraceable(f"a product of shapes {a.shape} and {b.shape}")
    kinds = (a.kind, b.kind)
    if kinds == (ROWS, ROWS) and a.flipped and not b.flipped and a.ndim == 2 and b.ndim == 2:
        return Symbol(trace, trace.outer(a.value, b.value), (a.shape[0], b.shape[1]), (), a.dtype)
    if kinds == (ROWS, FIXED) and not a.flipped and b.ndim == 2:
        return a._rows(trace.dot(a.value, b.value))
    if ROWS not in kinds and kinds != (TOTAL, TOTAL) and a.ndim == b.ndim == 2:
        shape = (a.shape[0], b.shape[1])
        return Symbol(trace, trace.fixed("matmul", (a.value, b.value), None, shape), shape, (), a.dtype)
    raise Untraceable("a product of a kind that is not read (rows times a matrix, or rows.T times rows, are)")


def where(condition: Any, a: Any, b: Any) -> Symbol:
    """np.where on rows."""
    found = _symbols((condition, a, b))
    trace = found[0].trace
    rows = [s for s in found if s.kind == ROWS]
    if not rows or any(s.flipped or s.lead != rows[0].lead or s.shape[:-1] != s.lead for s in rows):
        raise Untraceable("np.where on something else than rows")
    dtype = next((s.dtype for s in found if s.dtype.kind == "f"), np.dtype(float))
    value = trace.where(*[_flat(trace, _number(trace, v, dtype)) for v in (condition, a, b)])
    return Symbol(trace, value, (*rows[0].lead, trace[value].width), rows[0].lead, dtype)


def concatenate(arrays: Any, axis: int = 0, **options: Any) -> Symbol:
    """np.concatenate of rows side by side, or of fixed values or totals along any axis."""
    parts = list(arrays)
    if len(_symbols(parts)) != len(parts) or options:
        raise Untraceable("it concatenates with an array that is no argument of the rule")
    first = parts[0]
    trace, kinds = first.trace, {p.kind for p in parts}
    if kinds == {ROWS}:
        if axis % first.ndim != first.ndim - 1 or any(p.lead != first.lead or p.flipped for p in parts):
            raise Untraceable("it joins rows of several batches")
        return first._rows(trace.join(*[p.value for p in parts]))  # type: ignore[no-any-return]
    if ROWS in kinds:
        raise Untraceable("it concatenates rows with weights")
    axis %= first.ndim
    value = trace.concatenate(tuple(p.value for p in parts), axis)
    return Symbol(trace, value, trace[value].shape, (), first.dtype)


def filled(number: float) -> Any:
    """np.zeros_like, np.ones_like: of rows."""

    def like(x: Symbol, dtype: Any = None, **options: Any) -> Symbol:
        if x.kind != ROWS or x.flipped or (dtype is not None and np.dtype(dtype) != x.dtype):
            raise Untraceable("it makes an array of constants")
        return x._like(x.trace.copy(x.trace.constant(number), x.shape[-1]), x.shape)

    return like


SIMPLE_POWERS: dict[float, Any] = {
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    0.5: np.sqrt,
    -1.0: lambda x: 1.0 / x,
}
FUNCTIONS: dict[str, Any] = {
    "concatenate": concatenate,
    "where": where,
    "sum": lambda x, axis=None, keepdims=False, **o: x.sum(axis=axis, keepdims=keepdims, **o),
    "mean": lambda x, axis=None, keepdims=False, **o: x.mean(axis=axis, keepdims=keepdims, **o),
    "max": lambda x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
    "amax": lambda x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
    "min": lambda x, axis=None, keepdims=False: x.min(axis=axis, keepdims=keepdims),
    "dot": matmul,
    "transpose": lambda x, axes=None: x.transpose() if axes is None else x.transpose(axes),
    "reshape": lambda x, shape, **o: x.reshape(shape),
    "zeros_like": filled(0.0),
    "ones_like": filled(1.0),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "shape": lambda x: x.shape,
    "ndim": lambda x: x.ndim,
    "hsplit": lambda x, n: split(x, n, -1),
    "split": lambda x, n, axis=0: split(x, n, axis),
}


def split(x: Symbol, parts: Any, axis: int) -> list[Symbol]:
    """np.split of rows into columns."""
    if axis % x.ndim != x.ndim - 1:
        raise Untraceable("it splits the rows")
    size = x.shape[-1]
    ends = [size * (i + 1) // parts for i in range(parts)] if isinstance(parts, int) else [*parts, size]
    return [x[..., a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
