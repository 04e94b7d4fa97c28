"""Symbolic arrays of any rank: rules of layers run on them to find what is linear in the carried states.

Unlike those of :mod:`graphnet.core.compile.trace`, they record no operations of a program: they keep the form of a
value (:mod:`forms`), or what a value depends on if no state is among it. They hold no numbers, so ``np.asarray``,
branches on values and assignment raise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences.expressions import Expression
from graphnet.core.compile.recurrences.forms import Form, NotLinear

#: Implementations of numpy functions, by name; ``functions`` fills it.
HANDLERS: dict[str, Callable[..., Any]] = {}


class Unreadable(Exception):
    """A rule does something with values that do not depend on a state which symbols cannot follow."""


class Symbolic(NDArrayOperatorsMixin):
    """An array with a form.

    Parameters
    ----------
    form : Form
    dtype : dtype
    """

    def __init__(self, form: Form, dtype: Any) -> None:
        self.form, self.dtype = form, dtype

    @property
    def depends(self) -> bool:
        """Whether the value depends on a state."""
        return not isinstance(self.form, Expression)

    @property
    def inside_scan(self) -> bool:
        """Whether the value belongs to one step of a Scan."""
        return True

    def refuse(self, what: str) -> Any:
        """Raise: the rule cannot be followed."""
        raise NotLinear(what) if self.depends else Unreadable(what)

    # ------------------------------------------------------------------ attributes of an array
    @property
    def shape(self) -> tuple[int, ...]:
        return self.form.shape

    @property
    def ndim(self) -> int:
        return len(self.form.shape)

    @property
    def size(self) -> int:
        return math.prod(self.form.shape)

    def __len__(self) -> int:
        return self.form.shape[0]

    def __repr__(self) -> str:
        return f"Symbolic({self.form})"

    # ------------------------------------------------------------------ what cannot be followed
    def __bool__(self) -> bool:
        return bool(self.refuse("it branches on the elements of an array"))

    def __float__(self) -> float:
        return float(self.refuse("it reads an element of an array"))

    def __int__(self) -> int:
        return int(self.refuse("it reads an element of an array"))

    __index__ = __int__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.refuse("it converts its argument to a plain array")

    def __setitem__(self, index: Any, value: Any) -> None:
        self.refuse("it assigns to part of an array")

    def __iter__(self) -> Any:
        return self.refuse("it iterates over an array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.refuse(f"it reads the attribute {name!r} of an array")

    # ------------------------------------------------------------------ methods of an array
    @property
    def T(self) -> Symbolic:
        return self.transpose()

    def transpose(self, *axes: Any) -> Symbolic:
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return HANDLERS["transpose"](self, order or None)  # type: ignore[no-any-return]

    def swapaxes(self, a: int, b: int) -> Symbolic:
        return HANDLERS["swapaxes"](self, a, b)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any, **options: Any) -> Symbolic:
        target = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return HANDLERS["reshape"](self, tuple(target))  # type: ignore[no-any-return]

    def squeeze(self, axis: Any = None) -> Symbolic:
        return HANDLERS["squeeze"](self, axis)  # type: ignore[no-any-return]

    def copy(self, *args: Any) -> Symbolic:
        return self

    def astype(self, dtype: Any, **options: Any) -> Symbolic:
        if np.dtype(dtype) != self.dtype:
            return self.refuse(f"it casts to {np.dtype(dtype)}")  # type: ignore[no-any-return]
        return self

    def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbolic:
        return HANDLERS["sum"](self, axis, keepdims=keepdims, **options)  # type: ignore[no-any-return]

    def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbolic:
        return HANDLERS["mean"](self, axis, keepdims=keepdims, **options)  # type: ignore[no-any-return]

    def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbolic:
        return HANDLERS["max"](self, axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def dot(self, other: Any) -> Any:
        return self @ other

    def __getitem__(self, index: Any) -> Symbolic:
        return HANDLERS["getitem"](self, index)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------ numpy's protocols
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(o is not None for o in (options.get("out"), options.get("where"))):
            self.refuse("it writes into an array (out=, or +=)")
        if method == "reduce" and ufunc in (np.add, np.maximum):
            name = "sum" if ufunc is np.add else "max"
            return HANDLERS[name](inputs[0], options.get("axis", 0), keepdims=options.get("keepdims", False))
        if method != "__call__" or set(options) - {"out", "where"}:
            self.refuse(f"it uses np.{ufunc.__name__}.{method}")
        if ufunc.signature is not None:
            handler = HANDLERS.get(ufunc.__name__)
            return self.refuse(f"it uses np.{ufunc.__name__}") if handler is None else handler(*inputs)
        return HANDLERS["ufunc"](ufunc.__name__, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        handler = HANDLERS.get(function.__name__)
        if handler is None:
            symbols = [a for a in (*args, *kwargs.values()) if isinstance(a, Symbolic)]
            return next((s for s in symbols if s.depends), self).refuse(f"it uses np.{function.__name__}")
        return handler(*args, **kwargs)


def form_of(value: Any) -> Form:
    """The form of an operand; an array that is not an argument of the rule is a number, or cannot be read."""
    if isinstance(value, Symbolic):
        return value.form
    if isinstance(value, (bool, int, float)) or np.ndim(value) == 0:
        return ex.number(float(value))
    return ex.array(np.shape(value))


def dtype_of(values: Any) -> Any:
    """The dtype of the first symbol."""
    return next(v.dtype for v in values if isinstance(v, Symbolic))
