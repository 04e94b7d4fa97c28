"""np.einsum on symbols: products and sums over inner axes, products with weights, and sums over rows.

``einsum("bk,bv->bkv", k, v)`` is a product of expanded values, ``einsum("bhi,hij->bhj", x, w)`` a product with the
matrix of each head, and its gradient ``einsum("bhi,bhj->hij", x, error)`` a sum over the rows for each head.
"""

from __future__ import annotations

import math
import string
from functools import partial, reduce
from typing import Any

from graphnet.core.compile.trace.ir import FIXED, ROWS
from graphnet.core.compile.trace.symbol import HANDLERS, Symbol, implements
from graphnet.core.compile.trace.untraceable import Untraceable

#: Sums over rows that one einsum may become; each is an operation.
MOST_SUMS = 64


@implements("einsum")
def einsum(subscripts: Any, *operands: Any, **options: Any) -> Any:
    """np.einsum of rows and weights; letters that occur twice in one operand are refused."""
    if not isinstance(subscripts, str) or options.get("out") is not None:
        raise Untraceable("it uses np.einsum without a string of subscripts, or with out=")
    if not operands or not all(isinstance(x, Symbol) and not x.transposed and x.fold == 1 for x in operands):
        raise Untraceable("it uses np.einsum with an array that is not an argument of the rule")
    letters, output = _parsed(subscripts, operands)
    rows = [(x, own) for x, own in zip(operands, letters, strict=True) if x.kind == ROWS]
    if not rows or any(x.kind not in (ROWS, FIXED) for x in operands):
        raise Untraceable("it uses np.einsum of weights, or of sums over rows, alone")
    first = rows[0]
    batch = first[1][: len(first[0].lead)]
    if any(own[: len(batch)] != batch or set(batch) & set(own[len(batch) :]) for _, own in rows):
        raise Untraceable("it uses np.einsum with rows that do not have the same first letters")
    if any(set(batch) & set(own) for x, own in zip(operands, letters, strict=True) if x.kind == FIXED):
        raise Untraceable("it uses np.einsum with weights for each row")
    parts = [_alone(x, letters, i, output + batch) for i, x in enumerate(operands)]
    if not set(batch) & set(output):
        return _over_rows(parts, output, batch)
    if output[: len(batch)] != batch:
        raise Untraceable("it moves the rows to another axis by np.einsum")
    contracted = len(parts) == 2 and {x.kind for x, _ in parts} == {ROWS, FIXED}
    if contracted and set(parts[0][1]) & set(parts[1][1]) - set(output):
        left, right = sorted(parts, key=lambda part: part[0].kind == FIXED)
        return _with_weights(left, right, output, batch)
    return _elementwise(parts, output)


def _parsed(subscripts: str, operands: tuple[Symbol, ...]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters for ``...``."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    unused = [c for c in string.ascii_letters if c not in text]
    letters = []
    for own, x in zip(inputs.split(","), operands, strict=True):
        count = x.ndim - len(own.replace("...", "")) if "..." in own else 0
        letters.append(own.replace("...", "".join(unused[len(unused) - count :])))
    longest = max((own for own in letters), key=len)
    if not arrow:
        counted = "".join(letters)
        output = "".join(sorted(c for c in set(counted) if counted.count(c) == 1 and c not in unused))
        output = "".join(c for c in longest if c in unused) + output
    output = output.replace("...", "".join(c for c in longest if c in unused))
    if any(len(set(own)) < len(own) or len(own) != x.ndim for own, x in zip(letters, operands, strict=True)):
        raise Untraceable(f"it uses np.einsum with {subscripts!r}")
    return letters, output


def _alone(x: Symbol, letters: list[str], position: int, needed: str) -> tuple[Any, str]:
    """An operand summed over the axes that nothing else has."""
    own = letters[position]
    others = needed + "".join(each for i, each in enumerate(letters) if i != position)
    axes = tuple(i for i, c in enumerate(own) if c not in others)
    return (x.sum(axis=axes) if axes else x), "".join(c for c in own if c in others)


def _ordered(x: Any, own: str, target: str) -> Any:
    """An operand with its axes in the order of ``target``, and new ones where it has none."""
    order = [own.index(c) for c in target if c in own]
    x = x if order == list(range(len(own))) else x.transpose(order)
    index = tuple(slice(None) if c in own else None for c in target)
    return x if None not in index else x[index]


def _elementwise(parts: list[tuple[Any, str]], output: str) -> Any:
    """A product whose letters are those of the result and of the sums."""
    summed = "".join(dict.fromkeys(c for _, own in parts for c in own if c not in output))
    whole = output + summed
    product: Any = None
    for x, own in sorted(parts, key=lambda part: part[0].kind == FIXED):
        first = min(whole.index(c) for c in own)
        target = whole if x.kind == ROWS else whole[first:]
        factor = _ordered(x, own, target)
        product = factor if product is None else product * factor
    return product if not summed else product.sum(axis=tuple(range(len(output), len(whole))))


def _sizes(x: Any, own: str) -> dict[str, int]:
    return dict(zip(own, x.shape, strict=True))


def _with_weights(rows: tuple[Any, str], fixed: tuple[Any, str], output: str, batch: str) -> Any:
    """A product of rows and a matrix, or one matrix for each unit of some axes."""
    (x, own), (w, other) = rows, fixed
    sizes = {**_sizes(x, own), **_sizes(w, other)}
    inside = own[len(batch) :]
    kept = "".join(c for c in inside if c in other and c in output)
    summed = "".join(c for c in inside if c in other and c not in output)
    only = "".join(c for c in inside if c not in other)
    new = "".join(c for c in other if c not in own)

    def size(letters: str) -> int:
        return math.prod(sizes[c] for c in letters)

    left = _ordered(x, own, batch + kept + only + summed).reshape(*x.lead, size(kept), size(only), size(summed))
    right = _ordered(w, other, kept + summed + new).reshape(size(kept), size(summed), size(new))
    product = HANDLERS["dot"](left, right)
    letters = batch + kept + only + new
    product = product.reshape(*x.lead, *[sizes[c] for c in letters[len(batch) :]])
    return _ordered(product, letters, output)


def _over_rows(parts: list[tuple[Any, str]], output: str, batch: str) -> Any:
    """A sum over the rows of one value, or of the products of two."""
    if len(parts) == 1:
        x, own = parts[0]
        total = x.sum(axis=tuple(i for i, c in enumerate(own) if c not in output))
        return _ordered(total, "".join(c for c in own if c in output), output)
    if len(parts) != 2 or any(x.kind != ROWS for x, _ in parts):
        raise Untraceable("it sums a product of more than two values over the rows by np.einsum")
    (x, own), (y, other) = parts
    sizes = {**_sizes(x, own), **_sizes(y, other)}
    both = [c for c in own[len(batch) :] if c in other]
    kept, summed = "".join(c for c in both if c in output), "".join(c for c in both if c not in output)
    left, right = ("".join(c for c in each[len(batch) :] if c not in both) for each in (own, other))
    counts = [math.prod(sizes[c] for c in letters) for letters in (kept, summed, left, right)]
    if counts[0] * counts[1] > MOST_SUMS:
        raise Untraceable(f"it sums {counts[0] * counts[1]} products over the rows by np.einsum")
    x, y = _ordered(x, own, batch + kept + summed + left), _ordered(y, other, batch + kept + summed + right)
    trace, totals = x.trace, list[int]()
    for k in range(counts[0]):
        terms = []
        for s in range(k * counts[1], (k + 1) * counts[1]):
            columns = [trace.columns(v.value, s * n, (s + 1) * n) for v, n in ((x, counts[2]), (y, counts[3]))]
            terms.append(trace.outer(*columns))
        totals.append(reduce(partial(trace.ufunc, "add"), terms))
    value = trace.concatenate(tuple(totals), 0)
    letters = kept + left + right
    whole = Symbol(trace, value, trace[value].shape, (), x.dtype).reshape(*[sizes[c] for c in letters])
    return _ordered(whole, letters, output)
