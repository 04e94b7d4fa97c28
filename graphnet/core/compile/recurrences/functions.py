"""Numpy functions of the symbols that find linear recurrences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences import forms
from graphnet.core.compile.recurrences.expressions import Expression, RowsMix
from graphnet.core.compile.recurrences.forms import Form, Linear, MaxPlus, NonlinearFunction, NotLinear
from graphnet.core.compile.recurrences.symbols import HANDLERS, Symbolic, dtype_of, form_of


def implements(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the implementation of the numpy functions with these names."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


@implements("ufunc")
def ufunc(name: str, *inputs: Any) -> Symbolic:
    """An elementwise operation."""
    values = [form_of(v) for v in inputs]
    dtype = dtype_of(inputs)
    if all(isinstance(v, Expression) for v in values):
        return Symbolic(ex.ufunc(name, *values), dtype)  # type: ignore[arg-type]
    rule = _RULES.get(name)
    if rule is None:
        raise NonlinearFunction(f"np.{name}")
    return Symbolic(rule(*values), dtype)


def _add(a: Form, b: Form, sign: float = 1.0) -> Form:
    if isinstance(a, MaxPlus) or isinstance(b, MaxPlus):
        if isinstance(a, MaxPlus) and isinstance(b, Expression):
            return forms.shifted(a, b, sign)
        if isinstance(b, MaxPlus) and isinstance(a, Expression) and sign == 1.0:
            return forms.shifted(b, a)
        raise NotLinear("it combines the larger of two values with the state")
    return forms.plus(a, b, sign)


def _multiply(a: Form, b: Form) -> Form:
    if isinstance(a, Linear) and isinstance(b, Expression):
        return forms.times(a, b)
    if isinstance(b, Linear) and isinstance(a, Expression):
        return forms.times(b, a)
    raise NotLinear("it multiplies the state by a value that depends on the state")


def _divide(a: Form, b: Form) -> Form:
    if not isinstance(b, Expression):
        raise NotLinear("it divides by a value that depends on the state")
    return _multiply(a, ex.ufunc("reciprocal", b))


def _maximum(a: Form, b: Form) -> Form:
    if isinstance(a, Expression):
        a, b = b, a
    if not isinstance(b, Expression) or isinstance(a, Expression):
        raise NotLinear("it takes the larger of two values that depend on the state")
    return forms.larger(a, b)


def _negative(a: Form) -> Form:
    return _multiply(a, ex.number(-1.0))


_RULES: dict[str, Callable[..., Form]] = {
    "add": _add,
    "subtract": lambda a, b: _add(a, b, -1.0),
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "positive": lambda a: a,
    "maximum": _maximum,
    "fmax": _maximum,
}


# ---------------------------------------------------------------------- shapes
def shaped(x: Symbolic, shape: tuple[int, ...]) -> Symbolic:
    """Another shape, which is known."""
    if isinstance(x.form, MaxPlus):
        raise NotLinear("it reshapes the larger of two values")
    form = forms.reshaped(x.form, shape) if isinstance(x.form, Linear) else ex.reshaped(x.form, shape)
    return Symbolic(form, x.dtype)


@implements("reshape")
def reshape(x: Symbolic, shape: Any, **options: Any) -> Symbolic:
    """Another shape."""
    target = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if target.count(-1) == 1:
        rest = -math.prod(target)
        target = tuple(x.size // rest if n == -1 and rest else n for n in target)
    if math.prod(target) != x.size:
        x.refuse(f"it reshapes {x.shape} to {target}")
    return shaped(x, target)


@implements("transpose")
def transpose(x: Symbolic, axes: Any = None) -> Symbolic:
    """The axes in another order."""
    order = tuple(reversed(range(x.ndim))) if axes is None else tuple(a % x.ndim for a in axes)
    if isinstance(x.form, Linear):
        return Symbolic(forms.transposed(x.form, order), x.dtype)
    if isinstance(x.form, MaxPlus):
        raise NotLinear("it transposes the larger of two values")
    return Symbolic(ex.view(x.form, order, tuple(x.shape[i] for i in order)), x.dtype)


@implements("swapaxes")
def swapaxes(x: Symbolic, a: int, b: int) -> Symbolic:
    """Two axes exchanged."""
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return x.transpose(order)


@implements("moveaxis")
def moveaxis(x: Symbolic, source: int, destination: int) -> Symbolic:
    """One axis at another place."""
    order = list(range(x.ndim))
    order.insert(destination % x.ndim, order.pop(source))
    return x.transpose(order)


@implements("expand_dims")
def expand_dims(x: Symbolic, axis: Any) -> Symbolic:
    """Axes of size 1."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    rank = x.ndim + len(axes)
    places, rest = {a % rank for a in axes}, iter(x.shape)
    return shaped(x, tuple(1 if i in places else next(rest) for i in range(rank)))


@implements("squeeze")
def squeeze(x: Symbolic, axis: Any = None) -> Symbolic:
    """Without some axes of size 1."""
    axes = range(x.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    gone = {a % x.ndim for a in axes}
    return shaped(x, tuple(n for i, n in enumerate(x.shape) if i not in gone or (axis is None and n != 1)))


@implements("getitem")
def getitem(x: Symbolic, index: Any) -> Symbolic:
    """Part of an array; of a value that depends on a state, axes of size 1 may be added or left out only."""
    items = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, (np.ndarray, Symbolic, list)) for i in items):
        x.refuse("it indexes by an array")
    shape = np.broadcast_to(0.0, x.shape)[items].shape
    if math.prod(shape) == x.size:
        full = [i for i in items if not (i is None or i is Ellipsis or isinstance(i, slice))]
        if not any(isinstance(i, slice) and (i.step or 1) != 1 for i in items) and all(i in (0, -1) for i in full):
            return shaped(x, shape)
    form = x.form
    if not isinstance(form, Expression):
        raise NotLinear("it reads part of the state")
    if form.batched and not _whole_rows(items, form.shape[0]):
        raise RowsMix("it indexes the rows")
    return Symbolic(ex.opaque("part", (form,), shape, form.batched), x.dtype)


def _whole_rows(items: tuple[Any, ...], rows: int) -> bool:
    """Whether an index keeps axis 0."""
    first = items[0] if items else Ellipsis
    return first is Ellipsis or (isinstance(first, slice) and range(*first.indices(rows)) == range(rows))


@implements("concatenate")
def concatenate(arrays: Any, axis: int = 0, **options: Any) -> Symbolic:
    """Values side by side, none of which depends on a state."""
    parts = [form_of(a) for a in arrays]
    if not all(isinstance(p, Expression) for p in parts):
        raise NotLinear("it concatenates the state with other values")
    place = axis % parts[0].ndim
    batched = any(p.batched for p in parts)
    if batched and (place == 0 or not all(p.batched for p in parts)):
        raise RowsMix("it concatenates rows")
    sizes = list(parts[0].shape)
    sizes[place] = sum(p.shape[place] for p in parts)
    return Symbolic(ex.opaque("concatenate", parts, tuple(sizes), batched), dtype_of(arrays))  # type: ignore[arg-type]


@implements("broadcast_to")
def broadcast_to(x: Symbolic, shape: Any, **options: Any) -> Symbolic:
    """An array repeated."""
    form = x.form
    if not isinstance(form, Expression):
        raise NotLinear("it repeats the state")
    shape = tuple(shape)
    if form.batched and (len(shape) != form.ndim or shape[0] != form.shape[0]):
        raise RowsMix("it repeats rows")
    return Symbolic(ex.opaque("repeat", (form,), shape, True), x.dtype)


# ---------------------------------------------------------------------- sums
@implements("sum")
def total(x: Symbolic, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbolic:
    """The sum over axes."""
    if options.get("out") is not None or options.get("where") is not None:
        x.refuse("it sums with out= or where=")
    form = x.form
    axes = tuple(range(x.ndim)) if axis is None else tuple(a % x.ndim for a in np.atleast_1d(axis).tolist())
    if isinstance(form, MaxPlus):
        raise NotLinear("it sums the larger of two values")
    if isinstance(form, Expression):
        return Symbolic(ex.total(form, axes, keepdims), x.dtype)
    summed = forms.total(form, axes)
    if not keepdims:
        summed = forms.reshaped(summed, tuple(n for i, n in enumerate(summed.shape) if i not in axes))
    return Symbolic(summed, x.dtype)


@implements("mean")
def mean(x: Symbolic, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """The mean over axes."""
    axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis).tolist())
    return total(x, axes, keepdims, **options) * (1.0 / math.prod(x.shape[a] for a in axes))


@implements("max", "amax", "min", "amin")
def extremum(x: Symbolic, axis: Any = None, keepdims: bool = False, **options: Any) -> Symbolic:
    """The largest or smallest number along axes."""
    form = x.form
    if not isinstance(form, Expression):
        raise NotLinear("it takes an extremum of the state")
    reduced = ex.total(form, tuple(a % x.ndim for a in np.atleast_1d(axis).tolist()), keepdims)
    return Symbolic(ex.opaque("largest", (form,), reduced.shape, form.batched), x.dtype)


# ---------------------------------------------------------------------- arrays without numbers of others
def _filled(x: Symbolic, *args: Any, **options: Any) -> Symbolic:
    return Symbolic(ex.opaque("filled", (), x.shape, True), x.dtype)


def _opaque_of_all(name: str) -> Callable[..., Symbolic]:
    """An elementwise function of values that do not depend on a state."""

    def function(*inputs: Any, **options: Any) -> Symbolic:
        values = [form_of(v) for v in inputs]
        if not all(isinstance(v, Expression) for v in values):
            raise NonlinearFunction(f"np.{name}")
        batched = any(v.batched for v in values)
        return Symbolic(ex.opaque(name, values, ex.broadcast_sizes(*values), batched), dtype_of(inputs))  # type: ignore[arg-type]

    return function


HANDLERS.update(dict.fromkeys(("zeros_like", "ones_like", "empty_like", "full_like"), _filled))
HANDLERS.update({name: _opaque_of_all(name) for name in ("where", "clip")})
HANDLERS.update({"shape": lambda x: x.shape, "ndim": lambda x: x.ndim})
