"""Expressions of values that do not depend on a recurrent state: what coefficients of linear recurrences are made of.

An :class:`Expression` is a node of a small DAG over numbered slots of a plan, with the shape of its value. Axis 0 of a
*batched* one numbers the rows, which no operation mixes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet.core.records import record

#: A shape with all sizes known.
Sizes = tuple[int, ...]


class RowsMix(Exception):
    """An operation mixes the rows of a batch, so rows of several steps cannot be computed together."""


@record
class Expression:
    """A value.

    Attributes
    ----------
    op : str
        'slot', 'number', a ufunc, 'view', 'sum', or another name for what can be read and not computed.
    args : tuple of Expression
    attr : object
        Of a slot its number, of a number itself; of a view the permutation of the axes and the shape after axis 0, of a
        sum the axes.
    shape : tuple of int
    batched : bool
        Whether axis 0 numbers the rows.
    reads : frozenset of int
        The slots whose numbers the value depends on.
    known : bool
        Whether :mod:`derived` can compute it.
    """

    op: str
    args: tuple[Expression, ...]
    attr: Any
    shape: Sizes
    batched: bool
    reads: frozenset[int]
    known: bool

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


def slot(number: int, shape: Sizes) -> Expression:
    """The value of a slot of the plan, a row in each entry of axis 0."""
    return Expression("slot", (), number, shape, True, frozenset((number,)), True)


def number(value: float) -> Expression:
    """A number."""
    return Expression("number", (), float(value), (), False, frozenset(), True)


def array(shape: Sizes) -> Expression:
    """A weight or a constant array."""
    return Expression("array", (), None, shape, False, frozenset(), False)


def is_number(e: Expression, value: float) -> bool:
    """Whether an expression is this number."""
    return e.op == "number" and e.attr == value


def _made(
    op: str, args: Sequence[Expression], attr: Any, shape: Sizes, known: bool = True, batched: bool | None = None
) -> Expression:
    reads: frozenset[int] = frozenset().union(*(a.reads for a in args))
    batched = any(a.batched for a in args) if batched is None else batched
    return Expression(op, tuple(args), attr, shape, batched, reads, known and all(a.known for a in args))


def broadcast_sizes(*values: Any) -> Sizes:
    """The shape of an elementwise operation on values with ``shape`` and ``batched``.

    Raises
    ------
    RowsMix
        If the rows of one meet another axis of another.
    """
    shape = np.broadcast_shapes(*(v.shape for v in values))
    rows = {v.shape[0] for v in values if v.batched}
    if rows:
        for v in values:
            meets = v.ndim == len(shape)
            if (v.batched and not meets) or (meets and not v.batched and v.ndim and v.shape[0] != 1):
                raise RowsMix("it combines rows with another axis")
    return shape


#: Ufuncs that :mod:`derived` can compute and differentiate.
COMPUTED = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "negative", "maximum", "minimum"),
        *("exp", "log", "tanh", "sqrt", "square", "reciprocal", "sin", "cos", "log1p", "expm1"),
    )
)


def ufunc(name: str, *args: Expression) -> Expression:
    """An elementwise operation."""
    shape = broadcast_sizes(*args)
    simple = _simplified(name, args, shape)
    return _made(name, args, None, shape, name in COMPUTED) if simple is None else simple


def _simplified(name: str, args: tuple[Expression, ...], shape: Sizes) -> Expression | None:
    if name in ("multiply", "divide") and is_number(args[1], 1.0) and args[0].shape == shape:
        return args[0]
    if name == "multiply" and is_number(args[0], 1.0) and args[1].shape == shape:
        return args[1]
    if all(a.op == "number" for a in args) and name in COMPUTED:
        return number(float(getattr(np, name)(*(a.attr for a in args))))
    return None


def view(e: Expression, permutation: Sizes, shape: Sizes) -> Expression:
    """The axes in another order, then another shape; axis 0 stays what it is if it numbers the rows.

    Raises
    ------
    RowsMix
        If it does not.
    """
    if e.batched and (permutation[:1] != (0,) or not shape or shape[0] != e.shape[0]):
        raise RowsMix("it moves the axis of the rows")
    plain = permutation == tuple(range(e.ndim))
    if plain and shape == e.shape:
        return e
    if e.op == "view" and plain:
        inner, (before, _) = e.args[0], e.attr
        return view(inner, before, shape) if math.prod(shape) == math.prod(inner.shape) else e
    return _made("view", (e,), (permutation, shape[1:]), shape, e.batched or e.op != "array")


def reshaped(e: Expression, shape: Sizes) -> Expression:
    """Another shape."""
    return view(e, tuple(range(e.ndim)), shape)


def total(e: Expression, axes: Sizes, keepdims: bool = True) -> Expression:
    """The sum over axes that do not number rows.

    Raises
    ------
    RowsMix
    """
    if e.batched and 0 in axes:
        raise RowsMix("it sums over the rows")
    kept = tuple(1 if i in axes else n for i, n in enumerate(e.shape))
    summed = _made("sum", (e,), axes, kept)
    if keepdims:
        return summed
    return reshaped(summed, tuple(n for i, n in enumerate(e.shape) if i not in axes))


def opaque(name: str, args: Sequence[Expression], shape: Sizes, batched: bool) -> Expression:
    """A value that is known by what it depends on only."""
    return _made(name, args, None, shape, False, batched)


def product(factors: Sequence[Expression], scale: float = 1.0) -> Expression:
    """A product of values; of numbers where there are none."""
    value: Expression | None = None
    for factor in factors:
        value = factor if value is None else ufunc("multiply", value, factor)
    if value is None:
        return number(scale)
    if scale == 1.0:
        return value
    return ufunc("negative", value) if scale == -1.0 else ufunc("multiply", value, number(scale))
