"""Simpler terms of the same functions: σ where a rule computes it by exponentials or tanh, means, softmax, powers.

Each change is the same function of real numbers; only the rounding differs. Rules compute many of these functions in
forms that neither overflow nor lose digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from graphnet.inspect.equations.recorded import Recorded
from graphnet.inspect.equations.terms import Term, is_number, name, number, rebuilt, same

#: The role of names in patterns.
PATTERN = "pattern"
#: Ufuncs that are not elementwise.
PRODUCTS = ("matmul", "matvec", "vecmat", "vecdot")
#: Numbers of a constant array that are written in an equation.
MOST_SHOWN = 8
#: Ufuncs of which numpy has two names.
SYNONYMS = {"true_divide": "divide", "fabs": "absolute"}


def simplified(roots: Iterable[Term], known: dict[int, Term] | None = None) -> list[Term]:
    """The roots in simpler terms; ``known`` gets the simpler terms by the ids of those that they replace."""
    return rebuilt(roots, _changed, known)


def _changed(term: Term) -> Term:
    if term.op in SYNONYMS:
        term = Term(SYNONYMS[term.op], term.args, term.options, term.shape, term.kind)
    for change in (_constant, _unspread, _arithmetic, _mean, _softmax, row_products, _leading, _known_function):
        found = change(term)
        if found is not None:
            return found if found.is_leaf else _changed(found)
    return term


def made(op: str, *args: Term, like: Term, **options: Any) -> Term:
    """An operation whose result has the shape and dtype of another."""
    return Term(op, args, options, like.shape, like.kind)


def _constant(term: Term) -> Term | None:
    """Small arrays that the configuration determines as numbers."""
    value = term.options.get("value") if term.op == "name" else None
    if value is not None and np.size(value) <= MOST_SHOWN:
        array = np.asarray(value)
        return number(array.item()) if array.size == 1 and array.ndim < 2 else _array(array)
    x = term.args[0] if term.args else term
    if term.op == "reshape" and x.op in ("array", "number") and term.shape in ((), (1,)):
        return x if x.op == "number" else number(x.options["value"].item())
    return _array(np.reshape(x.options["value"], term.shape)) if term.op == "reshape" and x.op == "array" else None


def _array(array: Any) -> Term:
    return Term("array", (), {"value": array}, array.shape, array.dtype.kind)


def _unspread(term: Term) -> Term | None:
    """Operands that numpy would broadcast are not broadcast before."""
    ufunc = isinstance(getattr(np, term.op, None), np.ufunc) and term.op not in PRODUCTS
    if not ufunc or not any(arg.op == "broadcast_to" for arg in term.args):
        return None
    args = [arg.args[0] if arg.op == "broadcast_to" else arg for arg in term.args]
    shape = np.broadcast_shapes(*[arg.shape for arg in args])
    bare = Term(term.op, tuple(args), term.options, shape, term.kind)
    if shape == term.shape:
        return bare
    return Term("broadcast_to", (bare,), {"shape": term.shape}, term.shape, term.kind)


def _arithmetic(term: Term) -> Term | None:
    """Without factors 1, terms 0 and double signs; differences and quotients as such, squares as powers."""
    if len(term.args) == 1 and term.op == "negative" and term.args[0].op == "negative":
        return term.args[0].args[0]
    if term.op in ("square", "reciprocal", "positive"):
        x = term.args[0]
        forms = {"square": ("power", x, number(2)), "reciprocal": ("divide", number(1), x)}
        return x if term.op == "positive" else made(*forms[term.op], like=term)
    if len(term.args) != 2:
        return None
    a, b = term.args
    if term.op in ("multiply", "divide") and is_number(b, 1) and a.shape == term.shape and a.kind == "f":
        return a
    if term.op in ("add", "subtract") and is_number(b, 0) and a.shape == term.shape and a.kind == "f":
        return a
    return _product(term, a, b) if term.op == "multiply" else _sum(term, a, b)


def _product(term: Term, a: Term, b: Term) -> Term | None:
    if is_number(a, 1) and b.shape == term.shape and b.kind == "f":
        return b
    if is_number(b, -1):
        return made("negative", a, like=term)
    if is_number(b):
        return made("multiply", b, a, like=term) if not is_number(a) else None
    if b.op == "divide" and is_number(b.args[0], 1):
        return made("divide", a, b.args[1], like=term)
    if a.op == "divide" and is_number(a.args[0], 1) and not is_number(b):
        return made("divide", b, a.args[1], like=term)
    if same(a, b) and a.kind == "f":
        return made("power", a, number(2), like=term)
    return None


def _sum(term: Term, a: Term, b: Term) -> Term | None:
    if term.op == "add" and b.op == "negative":
        return made("subtract", a, b.args[0], like=term)
    if term.op == "add" and a.op == "negative" and not is_number(b, 0):
        return made("subtract", b, a.args[0], like=term)
    if term.op == "subtract" and b.op == "negative":
        return made("add", a, b.args[0], like=term)
    if is_number(b) and b.options["value"] < 0 and term.op in ("add", "subtract"):
        other = "subtract" if term.op == "add" else "add"
        return made(other, a, number(-b.options["value"]), like=term)
    if term.op == "subtract" and is_number(a, 0) and b.shape == term.shape:
        return made("negative", b, like=term)
    return None


def _mean(term: Term) -> Term | None:
    """A sum divided by the number of its terms."""
    if term.op not in ("multiply", "divide") or len(term.args) != 2:
        return None
    sums = [arg for arg in term.args if arg.op == "sum"]
    factors = [arg.options["value"] for arg in term.args if is_number(arg)]
    if len(sums) != 1 or len(factors) != 1 or (term.op == "divide" and term.args[0] is not sums[0]):
        return None
    total, factor = sums[0], factors[0]
    x, axes = total.args[0], total.options["axis"]
    count = math.prod(x.shape if axes is None else [x.shape[axis] for axis in axes])
    if count > 1 and factor in ((count,) if term.op == "divide" else (1 / count,)):
        return Term("mean", (x,), total.options, total.shape)
    return None


def _softmax(term: Term) -> Term | None:
    """``exp(x - max x) / Σ exp(x - max x)``."""
    if term.op != "divide":
        return None
    powers, total = term.args
    if powers.op != "exp" or total.op != "sum" or not same(total.args[0], powers) or not total.options["keepdims"]:
        return None
    shifted = powers.args[0]
    if shifted.op != "subtract" or shifted.args[1].op != "max" or not same(shifted.args[0], shifted.args[1].args[0]):
        return None
    if shifted.args[1].options != total.options or total.options["axis"] is None:
        return None
    return made("softmax", shifted.args[0], like=term, axis=total.options["axis"])


#: Indices that add an axis: of the columns of an outer product, and of its rows.
COLUMN, ROW = (Ellipsis, None), (Ellipsis, None, slice(None))


def _expanded(term: Term, index: tuple[Any, ...]) -> Term | None:
    """What a term is with one new axis, if it is that."""
    return term.args[0] if term.op == "getitem" and term.options["index"] == index else None


def row_products(term: Term) -> Term | None:
    """Products of the matrices and vectors in each row: of two vectors, of a matrix and a vector."""
    if term.op == "multiply":
        a, b = _expanded(term.args[0], COLUMN), _expanded(term.args[1], ROW)
        return made("outer", a, b, like=term) if a is not None and b is not None else None
    if term.op != "sum" or term.args[0].op != "multiply" or term.options["keepdims"]:
        return None
    a, b = term.args[0].args
    axis, rank = term.options["axis"], len(term.args[0].shape)
    vector = _expanded(b, ROW)
    if axis == (-1,) and vector is not None and len(a.shape) == rank:
        return made("matvec", a, vector, like=term)
    vector = _expanded(a, COLUMN)
    if axis == (-2,) and vector is not None and len(b.shape) == rank:
        return made("vecmat", vector, b, like=term)
    return None


def _leading(term: Term) -> Term | None:
    """A product of rows with a matrix, for any leading axes: without joining them before and splitting them after."""
    if term.op != "reshape" or not term.args[0].shape or term.shape[-1:] != term.args[0].shape[-1:]:
        return None
    return _unjoined(term.args[0], term.shape[:-1])


def _unjoined(term: Term, lead: tuple[int, ...]) -> Term | None:
    shape = (*lead, *term.shape[-1:])
    if term.op == "reshape" and term.args[0].shape == shape:
        return term.args[0]
    if term.op == "matmul" and len(term.args[1].shape) == 2:
        rows = _unjoined(term.args[0], lead)
        return None if rows is None else Term("matmul", (rows, term.args[1]), {}, shape)
    if term.op in ("add", "multiply") and len(term.args[1].shape) == 1:
        rows = _unjoined(term.args[0], lead)
        return None if rows is None else Term(term.op, (rows, term.args[1]), {}, shape)
    return None


@cache
def _patterns() -> dict[str, list[tuple[Term, Term]]]:
    """Functions as rules compute them, and as they are written, by the outermost operation."""
    x: Any = Recorded(np.float64(0.5), name("x", (), PATTERN))

    def sigmoid(value: Recorded) -> Term:
        return Term("sigmoid", (value.term,))

    root: Any = np.exp(-0.5 * np.abs(x))
    side: Any = np.maximum(root, x >= 0.0)
    pairs: list[tuple[Any, Term]] = [
        (0.5 + 0.5 * np.tanh(0.5 * x), sigmoid(x)),
        (1.0 / (1.0 + np.exp(-x)), sigmoid(x)),
        (np.maximum(np.exp(-np.abs(x)), x >= 0.0) / (1.0 + np.exp(-np.abs(x))), sigmoid(x)),
        (np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), Term("logaddexp", (x.term, number(0.0)))),
        (np.maximum(x, -1000.0) * side * side / (1.0 + root * root), (x * Recorded(np.float64(0.5), sigmoid(x))).term),
        (np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x))), Term("log", (sigmoid(x),))),
    ]
    found: dict[str, list[tuple[Term, Term]]] = {}
    for pattern, written in pairs:
        whole = rebuilt([pattern.term], lambda term: _arithmetic(term) or term)[0]
        found.setdefault(whole.op, []).append((whole, written))
    return found


def _known_function(term: Term) -> Term | None:
    for pattern, written in _patterns().get(term.op, ()):
        found: dict[str, Term] = {}
        if _matches(pattern, term, found):
            return rebuilt([written], _substituting(found, term))[0]
    return None


def _substituting(found: dict[str, Term], like: Term) -> Callable[[Term], Term]:
    def change(term: Term) -> Term:
        if term.op == "name":
            return found[term.options["name"]]
        return term if term.op == "number" else Term(term.op, term.args, term.options, like.shape, like.kind)

    return change


def _matches(pattern: Term, term: Term, found: dict[str, Term]) -> bool:
    if pattern.op == "name":
        key = pattern.options["name"]
        if key in found:
            return same(found[key], term)
        found[key] = term
        return True
    if pattern.op == "number":
        return is_number(term, pattern.options["value"])
    if pattern.op != term.op or len(pattern.args) != len(term.args):
        return False
    return all(_matches(p, t, found) for p, t in zip(pattern.args, term.args, strict=True))
