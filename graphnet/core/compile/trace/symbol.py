"""Symbolic arrays: what a layer's rules are run on, once, so that the compiler can read them.

``apply`` of a TanH on a symbol records the one operation ``tanh``; its ``pull`` records two products and a difference.
A rule that needs numbers (a branch on values, ``np.asarray``, assignment in place) raises Untraceable, and its layer
runs uncompiled. Symbols implement numpy's protocols for array-likes (``__array_ufunc__``, ``__array_function__``);
implementations of numpy functions are registered in ``functions`` and ``elementwise``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from graphnet.core.compile.trace.indexing import column_ranges, static_index
from graphnet.core.compile.trace.ir import ROWS, Trace


class Untraceable(Exception):
    """A rule does something that cannot be traced; the message names it."""


#: Implementations of numpy functions for symbols, by name.
HANDLERS: dict[str, Callable[..., Any]] = {}


def implements(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the implementation of the numpy functions with these names."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


class RowLengths(NDArrayOperatorsMixin):
    """Stands for the row lengths of a pass; a rule may compare it with None and do nothing else.

    A rule that reads the lengths treats the steps of a row differently, so it cannot be compiled. A layer that asks for
    lengths and uses them in other configurations only can be traced.
    """

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise Untraceable("it depends on the lengths of the rows")

    __array__ = __array_ufunc__ = __array_function__ = __getattr__ = __getitem__ = _refuse
    __iter__ = __len__ = __bool__ = __index__ = _refuse


class Symbol(NDArrayOperatorsMixin):
    """An array with a known shape and unknown elements.

    Parameters
    ----------
    trace : Trace
    value : int
        Its number there.
    shape : tuple of int
        As the rule sees it. Values of the kind ROWS have the row axes ``lead`` and one more.
    lead : tuple of int
        The row axes; empty for other kinds.
    dtype : numpy dtype
    transposed : bool
        Whether the rule has transposed it (rows only).
    """

    def __init__(
        self,
        trace: Trace,
        value: int,
        shape: tuple[int, ...],
        lead: tuple[int, ...],
        dtype: Any,
        transposed: bool = False,
    ) -> None:
        self.trace, self.value, self.shape, self.lead = trace, value, shape, lead
        self.dtype, self.transposed = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype), transposed

    # ------------------------------------------------------------------ attributes of an array
    @property
    def kind(self) -> str:
        """The kind of the value: see :mod:`graphnet.core.compile.trace.ir`."""
        return self.trace[self.value].kind

    @property
    def inside_scan(self) -> bool:
        """Whether the value belongs to one step of a Scan."""
        return self.trace.has("state")

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

    # ------------------------------------------------------------------ what cannot be traced
    def refuse(self, problem: str) -> Any:
        """Raise Untraceable."""
        raise Untraceable(problem)

    def __bool__(self) -> bool:
        return bool(self.refuse("it branches on the elements of an array"))

    def __float__(self) -> float:
        return float(self.refuse("it reads an element of an array"))

    def __int__(self) -> int:
        return int(self.refuse("it reads an element of an array"))

    __index__ = __int__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.refuse("it converts its argument to a plain array (np.asarray, or a function that needs one)")

    def __setitem__(self, index: Any, value: Any) -> None:
        self.refuse("it assigns to part of an array")

    def __iter__(self) -> Any:
        return self.refuse("it iterates over an array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Untraceable(f"it uses .{name} of an array")

    # ------------------------------------------------------------------ derived symbols
    def like(self, value: int, shape: tuple[int, ...], dtype: Any = None) -> Symbol:
        """A value with this symbol's row axes and dtype."""
        lead = self.lead if self.trace[value].kind == ROWS else ()
        return Symbol(self.trace, value, shape, lead, self.dtype if dtype is None else dtype)

    def rows(self, value: int) -> Symbol:
        """A value of rows with this symbol's row axes."""
        dtype = np.dtype(bool) if self.trace[value].boolean else self.dtype
        return self.like(value, (*self.lead, self.trace[value].width), dtype)

    @property
    def T(self) -> Symbol:
        return self.transpose()

    def transpose(self, *axes: Any) -> Symbol:
        if axes and axes not in (((1, 0),), (1, 0)):
            self.refuse("it transposes more than two axes")
        if self.kind == ROWS:
            if self.ndim != 2:
                self.refuse("it transposes more than two axes")
            return Symbol(self.trace, self.value, self.shape[::-1], self.lead, self.dtype, not self.transposed)
        if self.ndim < 2:
            return self
        return self.like(self.trace.fixed("transpose", (self.value,), None, self.shape[::-1]), self.shape[::-1])

    def copy(self) -> Symbol:
        return self

    def astype(self, dtype: Any, **options: Any) -> Symbol:
        target = np.dtype(dtype)
        if target == self.dtype:
            return self
        if self.dtype == bool and target.kind == "f" and self.kind == ROWS:
            return self.like(self.trace.ufunc("multiply", self.value, self.trace.constant(1.0)), self.shape, target)
        return self.refuse(f"it casts to {target}")  # type: ignore[no-any-return]

    def reshape(self, *shape: Any, **options: Any) -> Symbol:
        target = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else tuple(shape)
        if target.count(-1) == 1:
            rest = -math.prod(target)
            target = tuple(self.size // rest if n == -1 and rest else n for n in target)
        if math.prod(target) != self.size:
            self.refuse(f"it reshapes {self.shape} to {target}")
        if self.kind != ROWS:
            return self.like(self.trace.fixed("reshape", (self.value,), target, target), target)
        width = self.trace[self.value].width
        if not target or target[-1] != width or self.transposed:
            self.refuse(f"it reshapes rows {self.shape} to {target}")
        return Symbol(self.trace, self.value, target, target[:-1], self.dtype)

    def __getitem__(self, index: Any) -> Symbol:
        items = index if isinstance(index, tuple) else (index,)
        if any(isinstance(i, (np.ndarray, Symbol, list)) for i in items):
            self.refuse("it indexes by an array")
        if self.kind != ROWS:
            shape = np.broadcast_to(0.0, self.shape)[items].shape
            return self.like(self.trace.fixed("part", (self.value,), static_index(items), shape), shape)
        if self.transposed:
            self.refuse("it indexes transposed rows")
        ranges = column_ranges(items, self.shape)
        if isinstance(ranges, str):
            raise Untraceable(ranges)
        return self.rows(self.trace.join(*[self.trace.columns(self.value, *columns) for columns in ranges]))

    # ------------------------------------------------------------------ reductions
    def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        if options.get("out") is not None:
            self.refuse("it writes into an array (out=)")
        if self.kind != ROWS:
            shape = np.broadcast_to(0.0, self.shape).sum(axis=axis, keepdims=keepdims).shape
            return self.like(self.trace.fixed("sum", (self.value,), (axis, bool(keepdims)), shape), shape)
        axes = set(range(self.ndim)) if axis is None else {a % self.ndim for a in np.atleast_1d(axis)}
        row_axes = set(range(len(self.lead)))
        if axes == {self.ndim - 1} and not self.transposed:
            return self._reduced("add", keepdims)
        if not row_axes <= axes or self.transposed:
            return self.refuse("it sums over some of the row axes")  # type: ignore[no-any-return]
        total = Symbol(self.trace, self.trace.rowsum(self.value), (self.shape[-1],), (), self.dtype)
        if axes > row_axes:
            total = total.sum()
        shape = tuple(1 if i in axes else n for i, n in enumerate(self.shape)) if keepdims else total.shape
        return total if shape == total.shape else total.reshape(shape)

    def _reduced(self, name: str, keepdims: bool) -> Symbol:
        if not keepdims:
            self.refuse("it drops the last axis of rows (keepdims=False)")
        return self.rows(self.trace.reduce(name, self.value))

    def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        return self._extremum("maximum", axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        return self._extremum("minimum", axis, keepdims)

    def _extremum(self, name: str, axis: Any, keepdims: bool) -> Symbol:
        if self.kind != ROWS or axis is None or axis % self.ndim != self.ndim - 1:
            self.refuse("it takes a maximum or minimum over the rows")
        return self._reduced(name, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        axes = range(self.ndim) if axis is None else np.atleast_1d(axis)
        return self.sum(axis=axis, keepdims=keepdims) / math.prod(self.shape[a] for a in axes)  # type: ignore[no-any-return]

    def dot(self, other: Any) -> Any:
        return self @ other

    # ------------------------------------------------------------------ numpy's protocols
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(o is not None for o in (options.get("out"), options.get("where"))):
            self.refuse("it writes into an array (out=, or +=)")
        if method == "reduce":
            return _ufunc_reduce(ufunc, inputs[0], **options)
        if method != "__call__" or set(options) - {"out", "where"}:
            self.refuse(f"it uses np.{ufunc.__name__}.{method} with {', '.join(options)}")
        if ufunc is np.matmul:
            return HANDLERS["dot"](*inputs)
        return HANDLERS["ufunc"](ufunc.__name__, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        handler = HANDLERS.get(function.__name__)
        if handler is None:
            return self.refuse(f"it uses np.{function.__name__}")
        return handler(*args, **kwargs)


def _ufunc_reduce(ufunc: np.ufunc, x: Symbol, axis: Any = 0, keepdims: bool = False, **options: Any) -> Any:
    if ufunc is np.add:
        return x.sum(axis=axis, keepdims=keepdims)
    if ufunc is np.maximum:
        return x.max(axis=axis, keepdims=keepdims)
    if ufunc is np.minimum:
        return x.min(axis=axis, keepdims=keepdims)
    return x.refuse(f"it uses np.{ufunc.__name__}.reduce")
