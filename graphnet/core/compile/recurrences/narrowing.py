"""Takes factors out of sums over axes along which they do not vary: ``Σ_k r_k k_k v_j = (Σ_k r_k k_k) v_j``.

What is read from a matrix state besides the state itself, such as the product of vectors of the present step, would
otherwise be computed as a matrix for every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences import forms
from graphnet.core.compile.recurrences.classes import sum_of_products, varies
from graphnet.core.compile.recurrences.expressions import Expression
from graphnet.core.compile.recurrences.forms import Linear, Monomial

#: Nodes that are taken apart in turn.
DEPTH = 8
#: Returns how a node computes the value of a slot; None if that is not known.
Expand = Callable[[int], Expression | None]


def narrow(form: Linear, expand: Expand) -> Linear:
    """An affine value whose offset is computed with as few axes as possible."""
    offset = tuple(Monomial(m.scale, tuple(narrowed(f, expand) for f in m.factors)) for m in form.offset)
    return replace(form, offset=offset)


def narrowed(e: Expression, expand: Expand) -> Expression:
    """The same value, with factors taken out of a sum over axes; the expression itself where there are none."""
    if e.op == "view":
        inner = narrowed(e.args[0], expand)
        return e if inner is e.args[0] else ex.view(inner, e.attr[0], e.shape)
    if e.op != "sum":
        return e
    axes, sizes = e.attr, e.args[0].shape
    terms: list[Monomial] = []
    taken = False
    for m in sum_of_products(e.args[0], expand, DEPTH):
        inside = [f for f in m.factors if any(varies(f, axis) for axis in axes)]
        outside = [f for f in m.factors if f not in inside]
        if not inside:
            return e
        inner = ex.product(inside)
        repeated = math.prod(sizes[i] for i in axes if inner.shape[i] == 1)
        taken = taken or bool(outside)
        terms.append(Monomial(m.scale * repeated, (*outside, ex.total(inner, axes))))
    found = forms.sum_of(terms)
    return found if taken and found.shape == e.shape else e
