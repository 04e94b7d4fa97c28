"""What a value of a cell is as a function of the carried states: affine, or the larger of two sums.

An affine value is a sum of terms and an offset. A term is ``outer · Σ (inner · state)``: factors of the state's layout,
a sum over axes of the state (or none), and factors of the value's own layout. ``(1 - z) * h + z * g`` has the terms
``h`` and ``-z · h`` and the offset ``z · g``; ``v - Sᵀ p`` the term ``-Σ_k (p · S)`` and the offset ``v``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences.expressions import Expression, RowsMix, Sizes
from graphnet.core.records import record

#: For each axis of a value, the axis of a state that it is.
Layout = tuple[int | None, ...]
#: A value with more terms than this is taken for not linear: products of sums multiply them.
MOST_TERMS = 24


class NotLinear(Exception):
    """A value is not an affine function of the carried states; the message says why."""


class NonlinearFunction(NotLinear):
    """A nonlinear function of numpy is applied to a value that depends on a state; the message is its name."""


@record
class Term:
    """``scale · outer · Σ (inner · state)``.

    Attributes
    ----------
    state : int
    rank : int
        The number of axes of the state.
    layout : tuple of int or None
        For each axis of the value, the axis of the state that it is; None for one along which the term is repeated.
    scale : float
    inner : tuple of Expression
        Factors with the axes of the state.
    summed : frozenset of int
        Axes of the state.
    outer : tuple of Expression
        Factors with the axes of the value.
    """

    state: int
    rank: int
    layout: tuple[int | None, ...]
    scale: float = 1.0
    inner: tuple[Expression, ...] = ()
    summed: frozenset[int] = frozenset()
    outer: tuple[Expression, ...] = ()


@record
class Monomial:
    """A number times values that do not depend on the states."""

    scale: float
    factors: tuple[Expression, ...]


@record
class Linear:
    """An affine function of the states."""

    shape: Sizes
    terms: tuple[Term, ...]
    offset: tuple[Monomial, ...] = ()
    batched: bool = True

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


@record
class MaxPlus:
    """``max(state + added, least)``."""

    shape: Sizes
    state: int
    added: Expression
    least: Expression
    batched: bool = True

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


Form = Expression | Linear | MaxPlus


def state(number: int, shape: Sizes) -> Linear:
    """The value of a state."""
    return Linear(shape, (Term(number, len(shape), tuple(range(len(shape)))),))


def aligned(e: Expression, rank: int) -> Expression:
    """An expression with as many axes as a value that it is combined with."""
    if e.op == "number" or e.ndim == rank:
        return e
    if e.batched or e.ndim > rank:
        raise RowsMix("it combines rows with another axis")
    return ex.reshaped(e, (*[1] * (rank - e.ndim), *e.shape))


def as_linear(value: Linear | Expression, shape: Sizes) -> Linear:
    """An expression as an affine value without terms."""
    if isinstance(value, Linear):
        return replace(value, shape=shape)
    value = aligned(value, len(shape))
    if value.op == "number":
        return Linear(shape, (), (Monomial(value.attr, ()),) if value.attr else ())
    return Linear(shape, (), (Monomial(1.0, (value,)),))


def plus(a: Linear | Expression, b: Linear | Expression, sign: float = 1.0) -> Linear:
    """``a + sign · b``.

    Raises
    ------
    NotLinear
    """
    shape = ex.broadcast_sizes(a, b)
    if any(isinstance(v, Linear) and v.ndim != len(shape) for v in (a, b)):
        raise RowsMix("it combines rows with another axis")
    a, b = as_linear(a, shape), as_linear(b, shape)
    second = b if sign == 1.0 else times(b, ex.number(sign))
    if len(a.terms) + len(b.terms) > MOST_TERMS or len(a.offset) + len(b.offset) > MOST_TERMS:
        raise NotLinear(f"it is a sum of more than {MOST_TERMS} terms")
    return Linear(shape, (*a.terms, *second.terms), (*a.offset, *second.offset))


def times(a: Linear, e: Expression) -> Linear:
    """``a · e``."""
    if e.op == "number":
        terms = tuple(replace(t, scale=t.scale * e.attr) for t in a.terms)
        return Linear(a.shape, terms, tuple(Monomial(m.scale * e.attr, m.factors) for m in a.offset))
    shape = ex.broadcast_sizes(a, e)
    e = aligned(e, a.ndim)
    offset = tuple(Monomial(m.scale, (*m.factors, e)) for m in a.offset)
    return Linear(shape, tuple(_times(t, e) for t in a.terms), offset)


def _times(term: Term, e: Expression) -> Term:
    """A term times a factor, which multiplies the state itself if it has the state's axes only."""
    layout = term.layout
    if term.summed or any(n != 1 and layout[i] is None for i, n in enumerate(e.shape)):
        return replace(term, outer=(*term.outer, e))
    order = [layout.index(axis) for axis in range(term.rank) if axis in layout]
    rest = [i for i in range(e.ndim) if i not in order]
    shape = tuple(e.shape[layout.index(axis)] if axis in layout else 1 for axis in range(term.rank))
    return replace(term, inner=(*term.inner, ex.view(e, (*order, *rest), shape)))


def total(a: Linear, axes: Sizes) -> Linear:
    """The sum over axes, which keep size 1.

    Raises
    ------
    NotLinear, RowsMix
    """
    if 0 in axes:
        raise RowsMix("it sums over the rows")
    shape = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    terms = tuple(_term_total(term, axes, a.shape) for term in a.terms)
    return Linear(shape, terms, tuple(_monomial_total(m, axes, a.shape) for m in a.offset))


def _term_total(term: Term, axes: Sizes, sizes: Sizes) -> Term:
    own = frozenset(term.layout[i] for i in axes if sizes[i] != 1) - {None}
    free = tuple(i for i in axes if term.layout[i] is None)
    if own and (term.summed or any(f.shape[i] != 1 for f in term.outer for i in axes if term.layout[i] is not None)):
        raise NotLinear("it multiplies the state by a matrix")
    rest = _monomial_total(Monomial(term.scale, term.outer), free, sizes)
    layout = tuple(None if i in axes else axis for i, axis in enumerate(term.layout))
    summed: frozenset[int] = frozenset(axis for axis in own if axis is not None)
    return Term(term.state, term.rank, layout, rest.scale, term.inner, term.summed | summed, rest.factors)


def _monomial_total(m: Monomial, axes: Sizes, sizes: Sizes) -> Monomial:
    """The sum of a product: factors that do not vary along the axes stay outside."""
    varying = [f for f in m.factors if any(f.shape[i] != 1 for i in axes)]
    rest = tuple(f for f in m.factors if f not in varying)
    along = tuple(i for i in axes if any(f.shape[i] != 1 for f in varying))
    scale = m.scale * math.prod(sizes[i] for i in axes if i not in along)
    return Monomial(scale, (*rest, ex.total(ex.product(varying), along)) if varying else rest)


def _mapped(
    a: Linear, shape: Sizes, layout: Callable[..., tuple[int | None, ...]], change: Callable[..., Expression]
) -> Linear:
    terms = tuple(replace(t, layout=layout(t.layout), outer=tuple(change(f) for f in t.outer)) for t in a.terms)
    return Linear(shape, terms, tuple(Monomial(m.scale, tuple(change(f) for f in m.factors)) for m in a.offset))


def transposed(a: Linear, permutation: Sizes) -> Linear:
    """The axes in another order."""
    if permutation[0] != 0:
        raise RowsMix("it moves the axis of the rows")

    def change(e: Expression) -> Expression:
        return ex.view(e, permutation, tuple(e.shape[i] for i in permutation))

    shape = tuple(a.shape[i] for i in permutation)
    return _mapped(a, shape, lambda layout: tuple(layout[i] for i in permutation), change)


def reshaped(a: Linear, shape: Sizes) -> Linear:
    """Axes of size 1 added or removed.

    Raises
    ------
    NotLinear
        For any other reshape.
    """
    old, new = _large(a.shape), _large(shape)
    if [a.shape[i] for i in old] != [shape[i] for i in new]:
        raise NotLinear(f"it reshapes {a.shape[1:]} to {shape[1:]}")
    source = dict(zip(new, old, strict=True))

    def change(e: Expression) -> Expression:
        return ex.reshaped(e, tuple(e.shape[source[i]] if i in source else 1 for i in range(len(shape))))

    def layout(before: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(before[source[i]] if i in source else None for i in range(len(shape)))

    return _mapped(a, shape, layout, change)


def _large(shape: Sizes) -> list[int]:
    """The axis of the rows, and those of another size than 1."""
    return [i for i, n in enumerate(shape) if i == 0 or n != 1]


def sum_of(monomials: Iterable[Monomial]) -> Expression:
    """The value of a sum of products."""
    value: Expression | None = None
    for m in sorted(monomials, key=lambda m: m.scale < 0):
        if value is not None and m.scale == -1.0 and m.factors:
            value = ex.ufunc("subtract", value, ex.product(m.factors))
            continue
        p = ex.product(m.factors, m.scale)
        value = p if value is None else ex.ufunc("add", value, p)
    return ex.number(0.0) if value is None else value


def larger(a: Linear | MaxPlus, e: Expression) -> MaxPlus:
    """``max(a, e)``.

    Raises
    ------
    NotLinear
        If ``a`` is not a state, or a state plus something.
    """
    if isinstance(a, MaxPlus):
        return replace(a, least=ex.ufunc("maximum", a.least, e))
    term = a.terms[0] if len(a.terms) == 1 else None
    if term is None or term.scale != 1.0 or term.inner or term.outer or term.summed or not _identity(term, a.shape):
        raise NotLinear("it takes the larger of two values")
    added = sum_of(a.offset)
    shape = ex.broadcast_sizes(a, e)
    if shape != a.shape:
        raise NotLinear("it takes the larger of two values")
    return MaxPlus(shape, term.state, added, e)


def _identity(term: Term, shape: Sizes) -> bool:
    return all(axis == i or n == 1 for i, (axis, n) in enumerate(zip(term.layout, shape, strict=True)))


def shifted(a: MaxPlus, e: Expression, sign: float = 1.0) -> MaxPlus:
    """``a + sign · e``."""
    name = "add" if sign == 1.0 else "subtract"
    return replace(a, added=ex.ufunc(name, a.added, e), least=ex.ufunc(name, a.least, e))


def in_place(term: Term, shape: Sizes) -> bool:
    """Whether a term multiplies each number of a state by one number, and nothing else."""
    return not term.summed and not term.outer and _identity(term, shape)
