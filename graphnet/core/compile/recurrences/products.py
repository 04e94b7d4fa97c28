"""Products of matrices and vectors of the symbols that find linear recurrences."""

from __future__ import annotations

from functools import reduce
from typing import Any

from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences import forms
from graphnet.core.compile.recurrences.expressions import Expression
from graphnet.core.compile.recurrences.forms import Form, Linear, MaxPlus, NotLinear
from graphnet.core.compile.recurrences.functions import implements, shaped, total, ufunc
from graphnet.core.compile.recurrences.symbols import Symbolic, Unreadable, dtype_of, form_of

#: Labels of leading axes.
_LETTERS = "abcdefghijklmnopqrstuvw"


@implements("einsum")
def einsum(subscripts: Any, *operands: Any, **options: Any) -> Symbolic:
    """A sum of products."""
    if not isinstance(subscripts, str) or "->" not in subscripts or "." in subscripts:
        next(o for o in operands if isinstance(o, Symbolic)).refuse("it uses np.einsum in a form that is not followed")
    given, out = subscripts.replace(" ", "").split("->")
    return _product(given.split(","), out, operands)


@implements("matmul", "dot")
def matmul(a: Any, b: Any) -> Symbolic:
    """A matrix product."""
    first, second = form_of(a), form_of(b)
    if first.ndim < 2 or second.ndim < 2:
        symbol = a if isinstance(a, Symbolic) else b
        return symbol.refuse("it multiplies by a vector")  # type: ignore[no-any-return]
    lead = _LETTERS[: max(first.ndim, second.ndim) - 2]
    left, right = lead[len(lead) - first.ndim + 2 :], lead[len(lead) - second.ndim + 2 :]
    return _product([f"{left}yx", f"{right}xz"], f"{lead}yz", (a, b))


@implements("vecmat")
def vecmat(v: Any, m: Any) -> Symbolic:
    """Products of vectors and matrices."""
    lead = _LETTERS[: form_of(m).ndim - 2]
    return _product([f"{lead}x", f"{lead}xz"], f"{lead}z", (v, m))


@implements("matvec")
def matvec(m: Any, v: Any) -> Symbolic:
    """Products of matrices and vectors."""
    lead = _LETTERS[: form_of(m).ndim - 2]
    return _product([f"{lead}yx", f"{lead}x"], f"{lead}y", (m, v))


@implements("vecdot")
def vecdot(a: Any, b: Any, axis: int = -1) -> Symbolic:
    """Products of vectors."""
    symbol = a if isinstance(a, Symbolic) else b
    if axis != -1 or form_of(a).shape != form_of(b).shape:
        return symbol.refuse("it uses np.vecdot along another axis")  # type: ignore[no-any-return]
    labels = _LETTERS[: symbol.ndim - 1]
    return _product([f"{labels}x", f"{labels}x"], labels, (a, b))


def _product(labels: list[str], out: str, operands: Any) -> Symbolic:
    """A sum of products over the labels that the result lacks."""
    values = [form_of(o) for o in operands]
    if sum(not isinstance(v, Expression) for v in values) > 1:
        raise NotLinear("it multiplies the state by a value that depends on the state")
    if any(isinstance(v, MaxPlus) for v in values):
        raise NotLinear("it multiplies the larger of two values")
    every = out + "".join(sorted(set("".join(labels)) - set(out)))
    laid = [_laid(v, own, every) for v, own in zip(values, labels, strict=True)]
    axes = tuple(range(len(out), len(every)))
    dtype = dtype_of(operands)
    if all(isinstance(v, Expression) for v in values) and any(n != 1 for v in laid for n in v.shape[len(out) :]):
        shape = ex.broadcast_sizes(*laid)
        batched = any(v.batched for v in values)
        return Symbolic(ex.opaque("product", values, shape[: len(out)], batched), dtype)  # type: ignore[arg-type]
    if all(n == 1 for v in laid for n in v.shape[len(out) :]):
        laid, axes = [shaped(Symbolic(v, dtype), v.shape[: len(out)]).form for v in laid], ()
    product = reduce(lambda a, b: ufunc("multiply", a, b), [Symbolic(v, dtype) for v in laid])
    return total(product, axes) if axes else product


def _laid(value: Form, own: str, every: str) -> Form:
    """An operand with an axis for each label."""
    if len(set(own)) != len(own) or len(own) != value.ndim:
        raise (NotLinear if isinstance(value, Linear) else Unreadable)("it reads a diagonal")
    order = tuple(sorted(range(len(own)), key=lambda i: every.index(own[i])))
    sizes = iter([value.shape[i] for i in order])
    shape = tuple(next(sizes) if label in own else 1 for label in every)
    if isinstance(value, Expression):
        return ex.view(value, order, shape)
    assert isinstance(value, Linear)
    return forms.reshaped(forms.transposed(value, order), shape)
