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

from graphnet.core.compile.trace import inner_axes
from graphnet.core.compile.trace.indexing import static_index
from graphnet.core.compile.trace.ir import ROWS, Trace
from graphnet.core.compile.trace.untraceable import Untraceable

#: Implementations of numpy functions for symbols, by name.
HANDLERS: dict[str, Callable[..., Any]] = {}


#: Ufuncs of vectors and matrices, which are handled as functions.
PRODUCTS = frozenset(("matvec", "vecmat", "vecdot"))


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
        As the rule sees it. Values of the kind ROWS have the row axes ``lead`` and inner axes.
    lead : tuple of int
        The row axes; empty for other kinds.
    dtype : numpy dtype
    transposed : bool
        Whether the rule has transposed it (rows only).
    fold : int
        How many units of each row the rule has reshaped into the row axis, by ``x.reshape(-1, n)``.
    """

    def __init__(
        self,
        trace: Trace,
        value: int,
        shape: tuple[int, ...],
        lead: tuple[int, ...],
        dtype: Any,
        transposed: bool = False,
        fold: int = 1,
    ) -> None:
        self.trace, self.value, self.shape, self.lead = trace, value, shape, lead
        self.dtype, self.transposed = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype), transposed
        self.fold = fold

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
        lead, fold = (self.lead, self.fold) if self.trace[value].kind == ROWS else ((), 1)
        return Symbol(self.trace, value, shape, lead, self.dtype if dtype is None else dtype, False, fold)

    def rows(self, value: int, inner: tuple[int, ...] | None = None) -> Symbol:
        """A value of rows with this symbol's row axes; ``inner`` None: one inner axis."""
        dtype = np.dtype(bool) if self.trace[value].boolean else self.dtype
        if inner is None:
            inner = (self.trace[value].width // self.fold,)
        return self.like(value, (*self.lead, *inner), dtype)

    @property
    def signature(self) -> tuple[Any, ...]:
        """What two symbols of one trace have in common if they are the same array."""
        return self.value, self.shape, self.lead, self.transposed, self.fold

    @property
    def inner(self) -> tuple[int, ...]:
        """The inner axes of rows."""
        return self.shape[len(self.lead) :]

    @property
    def T(self) -> Symbol:
        return self.transpose()

    def transpose(self, *axes: Any) -> Symbol:
        order = tuple(axes[0]) if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        order = tuple(a % self.ndim for a in order or range(self.ndim - 1, -1, -1))
        if order == tuple(range(self.ndim)):
            return self
        shape = tuple(self.shape[a] for a in order)
        if self.kind != ROWS:
            attr = None if order == tuple(range(self.ndim - 1, -1, -1)) else order
            return self.like(self.trace.fixed("transpose", (self.value,), attr, shape), shape)
        if self.ndim == 2 and len(self.lead) == 1:
            return Symbol(self.trace, self.value, shape, self.lead, self.dtype, not self.transposed, self.fold)
        first = len(self.lead)
        if order[:first] != tuple(range(first)) or self.transposed:
            self.refuse("it moves the rows to another axis")
        inner = (self.fold, *self.inner)
        axes = (0, *[a - first + 1 for a in order[first:]])
        return self.rows(self.trace.permute(self.value, inner, axes), shape[first:])

    def swapaxes(self, a: int, b: int) -> Symbol:
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(order)

    def squeeze(self, axis: Any = None) -> Symbol:
        axes = range(len(self.lead), self.ndim) if axis is None else [a % self.ndim for a in np.atleast_1d(axis)]
        if any(self.shape[a] != 1 for a in axes if axis is not None):
            self.refuse(f"it removes an axis of {self.shape} that is longer than 1")
        kept = [n for a, n in enumerate(self.shape) if a not in axes or n != 1]
        return self.reshape(kept)

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
        if self.transposed:
            self.refuse(f"it reshapes rows {self.shape} to {target}")
        first, fold = inner_axes.reshaped(self, target)
        return Symbol(self.trace, self.value, target, target[:first], self.dtype, False, fold)

    def __getitem__(self, index: Any) -> Symbol:
        items = index if isinstance(index, tuple) else (index,)
        if any(isinstance(i, (np.ndarray, Symbol, list)) for i in items):
            self.refuse("it indexes by an array")
        if self.kind != ROWS:
            shape = np.broadcast_to(0.0, self.shape)[items].shape
            return self.like(self.trace.fixed("part", (self.value,), static_index(items), shape), shape)
        if self.transposed:
            self.refuse("it indexes transposed rows")
        runs, inner = inner_axes.selected(self, items)
        return self.rows(self.trace.join(*[self.trace.columns(self.value, *run) for run in runs]), inner)

    # ------------------------------------------------------------------ reductions
    def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        if options.get("out") is not None:
            self.refuse("it writes into an array (out=)")
        if self.kind != ROWS:
            shape = np.broadcast_to(0.0, self.shape).sum(axis=axis, keepdims=keepdims).shape
            return self.like(self.trace.fixed("sum", (self.value,), (axis, bool(keepdims)), shape), shape)
        axes = self._axes(axis)
        row_axes = set(range(len(self.lead)))
        if not axes & row_axes:
            return self._reduced("add", axes, keepdims)
        if not row_axes <= axes or self.transposed:
            return self.refuse("it sums over some of the row axes")  # type: ignore[no-any-return]
        shape = tuple(1 if i in axes else n for i, n in enumerate(self.shape) if keepdims or i not in axes)
        if self.ndim == len(self.lead) + 1 and self.fold == 1:
            total = self.like(self.trace.rowsum(self.value), self.inner)
            total = total if axes == row_axes else total.sum()
        else:
            own = {0, *(a - len(self.lead) + 1 for a in axes - row_axes)}
            value = inner_axes.reduced(self.trace, "add", self.value, (self.fold, *self.inner), own)
            value = self.trace.rowsum(value)
            total = self.like(value, self.trace[value].shape)
        return total if shape == total.shape else total.reshape(shape)

    def _axes(self, axis: Any) -> set[int]:
        """Axes as a rule names them; None: all."""
        return set(range(self.ndim)) if axis is None else {int(a) % self.ndim for a in np.atleast_1d(axis)}

    def _reduced(self, name: str, axes: set[int], keepdims: bool) -> Symbol:
        """A reduction of inner axes."""
        if self.transposed:
            self.refuse("it reduces transposed rows")
        first = len(self.lead)
        own = {a - first + 1 for a in axes}
        value = inner_axes.reduced(self.trace, name, self.value, (self.fold, *self.inner), own)
        inner = [1 if a in axes else n for a, n in enumerate(self.shape) if keepdims or a not in axes]
        return self.rows(value, tuple(inner[first:]))

    def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        return self._extremum("maximum", axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        return self._extremum("minimum", axis, keepdims)

    def _extremum(self, name: str, axis: Any, keepdims: bool) -> Symbol:
        axes = self._axes(axis)
        if self.kind != ROWS or axes & set(range(len(self.lead))):
            self.refuse("it takes a maximum or minimum over the rows")
        return self._reduced(name, axes, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbol:
        axes = range(self.ndim) if axis is None else np.atleast_1d(axis)
        return self.sum(axis=axis, keepdims=keepdims) / math.prod(self.shape[a] for a in axes)  # type: ignore[no-any-return]

    def dot(self, other: Any) -> Any:
        return self @ other

    # ------------------------------------------------------------------ numpy's protocols
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(o is not None for o in (options.get("out"), options.get("where"))):
            self.refuse("it writes into an array (out=, or +=)")
        if method == "__call__" and ufunc.__name__ in PRODUCTS:
            return HANDLERS[ufunc.__name__](*inputs, **{k: v for k, v in options.items() if v is not None})
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
