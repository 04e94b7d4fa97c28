"""The classes of linear recurrences: which one the next states of a component are of, and its operands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences import forms
from graphnet.core.compile.recurrences.expressions import Expression, Sizes
from graphnet.core.compile.recurrences.forms import Form, Linear, MaxPlus, Monomial, NotLinear, Term
from graphnet.core.records import record

#: Returns how the value of a slot is computed by its node, and whether it depends on weights alone.
Expand = Callable[[int], Expression | None]
Fixed = Callable[[int], bool]


@record
class Axes:
    """What the axes of a matrix state are."""

    heads: tuple[int, ...]
    key: int
    value: int

    @property
    def order(self) -> tuple[int, ...]:
        """Rows, heads, key, value."""
        return (0, *self.heads, self.key, self.value)


@record
class Found:
    """A linear recurrence.

    Attributes
    ----------
    kind : str
        'diagonal', 'pair', 'rotation', 'max_plus', 'outer' or 'delta'.
    states : tuple of int
    operands : mapping of name to Expression
        Those of the function of that name in :mod:`graphnet.core.recurrences`; what is missing is zero, or one.
    axes : Axes or None
        Of a matrix state.
    """

    kind: str
    states: tuple[int, ...]
    operands: Mapping[str, Expression]
    axes: Axes | None = None


def require_known(operands: Mapping[str, Expression]) -> None:
    """Raise for coefficients that can be read and not computed.

    Raises
    ------
    NotLinear
    """
    for operand in operands.values():
        if not operand.known:
            raise NotLinear("a coefficient of the state is computed inside the layer that reads the state")


def classified(states: Sequence[int], following: Mapping[int, Form], sizes: Mapping[int, Sizes]) -> Found:
    """The class of a component, elementwise.

    Parameters
    ----------
    states : sequence of int
    following : mapping of state to Form
        The next value of each.
    sizes : mapping of state to shape

    Raises
    ------
    NotLinear
    """
    states = tuple(states)
    first = following[states[0]]
    if len(states) == 1 and isinstance(first, MaxPlus):
        found = Found("max_plus", states, {"f": first.added, "i": first.least})
    elif len(states) <= 2:
        found = _elementwise(states, following, sizes)
    else:
        raise NotLinear(f"{len(states)} states depend on each other")
    require_known(found.operands)
    return found


def _elementwise(states: tuple[int, ...], following: Mapping[int, Form], sizes: Mapping[int, Sizes]) -> Found:
    matrix: dict[tuple[int, int], list[Monomial]] = {}
    added: dict[int, Expression] = {}
    for target in states:
        form = following[target]
        if isinstance(form, MaxPlus):
            raise NotLinear("it takes the larger of two values")
        linear = forms.as_linear(form, sizes[target])
        for term in linear.terms:
            if not forms.in_place(term, sizes[target]):
                raise NotLinear("the next state is not computed elementwise from the state")
            matrix.setdefault((target, term.state), []).append(Monomial(term.scale, term.inner))
        if linear.offset:
            added[target] = forms.sum_of(linear.offset)
    if len(states) == 1:
        s = states[0]
        a = forms.sum_of(matrix[s, s]) if (s, s) in matrix else ex.number(0.0)
        return Found("diagonal", states, {"a": a, "b": added.get(s, ex.number(0.0))})
    names = {"xx": (0, 0), "xy": (0, 1), "yx": (1, 0), "yy": (1, 1)}
    operands = {
        name: forms.sum_of(matrix[states[i], states[j]])
        for name, (i, j) in names.items()
        if (states[i], states[j]) in matrix
    }
    if sizes[states[0]] != sizes[states[1]]:
        raise NotLinear("two states of different shapes depend on each other")
    if _rotates([matrix.get((states[i], states[j]), []) for i, j in names.values()]):
        operands = {"real": operands["xx"], "imaginary": operands["yx"]}
    kind = "rotation" if "real" in operands else "pair"
    return Found(kind, states, operands | {n: added[s] for n, s in zip(("b", "c"), states, strict=True) if s in added})


def _rotates(matrix: Sequence[Sequence[Monomial]]) -> bool:
    """Whether a 2x2 matrix is ``((c, -s), (s, c))``: a product of complex numbers."""
    xx, xy, yx, yy = matrix
    negated = [Monomial(-m.scale, m.factors) for m in xy]
    return bool(xx and xy) and list(xx) == list(yy) and negated == list(yx)


# ---------------------------------------------------------------------- matrix states
def contracted_axes(form: Linear) -> set[int]:
    """The axes of the state that terms sum over."""
    return {axis for term in form.terms for axis in term.summed}


def matrix_class(
    state: int, following: Form, size: Sizes, reads: Sequence[Linear], expand: Expand, fixed: Fixed
) -> Found:
    """The class of a matrix state that products of vectors change, read by products with vectors.

    Parameters
    ----------
    state : int
    following : Form
        Its next value.
    size : tuple of int
    reads : sequence of Linear
        What reads it.
    expand : callable
        Returns how the value of a slot is computed by its node; None if that is not known.
    fixed : callable
        Whether the value of a slot depends on weights alone.

    Raises
    ------
    NotLinear
    """
    if not isinstance(following, Linear):
        raise NotLinear("its next value is not affine in it")
    summed = contracted_axes(following).union(*(contracted_axes(r) for r in reads))
    if len(size) < 3 or len(summed) != 1:
        raise NotLinear("it is not read by products with a vector")
    (key,) = summed
    offset = [part for m in following.offset for part in _factored(m, key, size, expand)]
    value = _value_axis(key, size, offset, (following, *reads))
    axes = Axes(tuple(i for i in range(1, len(size)) if i not in (key, value)), key, value)
    kept = [t for t in following.terms if not t.summed]
    if any(not forms.in_place(t, size) for t in kept):
        raise NotLinear("the next state is not computed elementwise from the state")
    operands: dict[str, Expression] = {}
    decay = forms.sum_of(Monomial(t.scale, t.inner) for t in kept)
    if not ex.is_number(decay, 1.0):
        operands |= _decay(decay, expand, fixed)
    corrected = [t for t in following.terms if t.summed]
    u = _correction(corrected, axes, size, operands)
    _additions(offset, axes, u, operands)
    require_known(operands)
    return Found("delta" if corrected else "outer", (state,), operands, axes)


def varies(e: Expression, axis: int) -> bool:
    """Whether a value differs along an axis."""
    return e.op != "number" and e.shape[axis] != 1


def _decay(decay: Expression, expand: Expand, fixed: Fixed) -> dict[str, Expression]:
    """A decay, or its logarithm where it is an exponential: with a factor apart that is the same for all steps."""
    logs = _logarithm(decay, expand)
    if logs is None or not logs.known:
        return {"decay": decay}
    parts = sum_of_products(logs, expand, 2)
    if len(parts) == 1:
        same = tuple(f for f in parts[0].factors if all(fixed(slot) for slot in f.reads))
        rest = tuple(f for f in parts[0].factors if f not in same)
        if same and rest:
            return {"logs": ex.product(rest, parts[0].scale), "scale": ex.product(same)}
    return {"logs": logs}


def _logarithm(e: Expression, expand: Expand) -> Expression | None:
    """The logarithm of a product of exponentials; None of anything else."""
    if e.op == "slot":
        inside = expand(e.attr)
        return None if inside is None or inside.op == "slot" else _logarithm(inside, expand)
    if e.op == "exp":
        return e.args[0]
    if e.op == "view":
        inner = _logarithm(e.args[0], expand)
        permutation, shape = e.attr
        return None if inner is None else ex.view(inner, permutation, (inner.shape[0], *shape))
    if e.op == "multiply":
        logs = [_logarithm(a, expand) for a in e.args]
        return None if logs[0] is None or logs[1] is None else ex.ufunc("add", logs[0], logs[1])
    return None


def _factored(m: Monomial, key: int, size: Sizes, expand: Expand) -> list[Monomial]:
    """A product with factors of as few axes as possible: the product of vectors that a node computes is taken apart."""
    parts = [Monomial(m.scale, ())]
    for factor in m.factors:
        whole = varies(factor, key) and any(varies(factor, i) for i in range(1, len(size)) if i != key)
        own = sum_of_products(factor, expand, 8) if whole else [Monomial(1.0, (factor,))]
        parts = [Monomial(a.scale * b.scale, (*a.factors, *b.factors)) for a in parts for b in own]
    return parts


def sum_of_products(e: Expression, expand: Expand, depth: int) -> list[Monomial]:
    """An expression as a sum of products."""
    if e.op == "slot" and depth:
        inside = expand(e.attr)
        if inside is not None and inside.op in ("multiply", "add", "subtract", "negative") and inside.shape == e.shape:
            return sum_of_products(inside, expand, depth - 1)
    if e.op == "number":
        return [Monomial(e.attr, ())]
    if e.op == "multiply":
        a, b = (sum_of_products(forms.aligned(x, e.ndim), expand, depth) for x in e.args)
        return [Monomial(x.scale * y.scale, (*x.factors, *y.factors)) for x in a for y in b]
    if e.op in ("add", "subtract", "negative") and all(x.shape == e.shape for x in e.args):
        signs = (-1.0,) if e.op == "negative" else (1.0, 1.0 if e.op == "add" else -1.0)
        parts = [(sign, sum_of_products(x, expand, depth)) for sign, x in zip(signs, e.args, strict=True)]
        return [Monomial(sign * m.scale, m.factors) for sign, own in parts for m in own]
    return [Monomial(1.0, (e,))]


def _value_axis(key: int, size: Sizes, offset: Sequence[Monomial], linear: Sequence[Linear]) -> int:
    """The last axis along which no factor of the key varies."""
    factors = [f for form in linear for t in form.terms if t.summed for f in t.inner]
    factors += [f for m in offset for f in m.factors if varies(f, key)]
    for axis in reversed(range(1, len(size))):
        if axis != key and size[axis] != 1 and not any(varies(f, axis) for f in factors):
            return axis
    raise NotLinear("its update is not an outer product of two vectors")


def _correction(
    terms: Sequence[Term], axes: Axes, size: Sizes, operands: dict[str, Expression]
) -> tuple[Expression, ...]:
    """The operands u and p of ``-u (Sᵀ p)ᵀ``; the factors of u."""
    if not terms:
        return ()
    u = tuple(f for f in terms[0].outer if varies(f, axes.key))
    parts = []
    for term in terms:
        fits = all(axis == i or i == axes.key or size[i] == 1 for i, axis in enumerate(term.layout))
        own = tuple(f for f in term.outer if varies(f, axes.key))
        rest = tuple(f for f in term.outer if f not in own)
        if not fits or _different(own, u) or any(varies(f, axes.value) for f in (*term.outer, *term.inner)):
            raise NotLinear("its correction is not an outer product of two vectors")
        parts.append(Monomial(-term.scale, (*term.inner, *rest)))
    if not u:
        raise NotLinear("its correction is not an outer product of two vectors")
    operands["u"], operands["p"] = ex.product(u), forms.sum_of(parts)
    return u


def _different(a: Sequence[Expression], b: Sequence[Expression]) -> bool:
    rest = list(b)
    for e in a:
        if e not in rest:
            return True
        rest.remove(e)
    return bool(rest)


def _additions(
    offset: Sequence[Monomial], axes: Axes, u: tuple[Expression, ...], operands: dict[str, Expression]
) -> None:
    """The operands w of ``u wᵀ``, and keys and values of ``k vᵀ``."""
    groups: list[tuple[tuple[Expression, ...], list[Monomial]]] = [(u, [])] if u else []
    for m in offset:
        if any(varies(f, axes.key) and varies(f, axes.value) for f in m.factors):
            raise NotLinear("its update is not an outer product of two vectors")
        own = tuple(f for f in m.factors if varies(f, axes.key))
        rest = Monomial(m.scale, tuple(f for f in m.factors if f not in own))
        group = next((g for keys, g in groups if not _different(keys, own)), None)
        if group is None:
            groups.append((own, [rest]))
        else:
            group.append(rest)
    if u and groups[0][1]:
        operands["w"] = forms.sum_of(groups[0][1])
    others = groups[1:] if u else groups
    if len(others) > 1 or any(not own for own, _ in others):
        raise NotLinear("its update is a sum of several outer products")
    for own, rests in others:
        operands["keys"], operands["values"] = ex.product(own), forms.sum_of(rests)
