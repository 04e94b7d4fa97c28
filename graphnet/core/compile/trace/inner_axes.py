"""Inner axes of symbols: what indices, reshapes, transpositions and reductions of rows do to units.

A rule sees rows with inner axes, ``(batch, key, value)``; the trace has one axis of units, ``key * value``, the last
axis fastest. So a reshape that keeps the rows and a new axis need no operation, and a sum over the last inner axis
is one over runs of neighbouring units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from graphnet.core.compile.trace.ir import CONSTANT, FIXED, Trace
from graphnet.core.compile.trace.untraceable import Untraceable

#: Runs of units that one index selects, at most; each is an operation.
SELECTED = 256


class Rows(Protocol):
    """What this module needs of a symbol."""

    trace: Trace
    value: int
    shape: tuple[int, ...]
    lead: tuple[int, ...]
    fold: int

    @property
    def kind(self) -> str: ...


def reshaped(x: Rows, target: tuple[int, ...]) -> tuple[int, int]:
    """How many first axes of a reshape of rows are row axes, and how many inner axes' units are among the rows.

    ``(B, A, F)`` reshaped to ``(B * A, F)`` has one row axis and folds A units of each row into it.
    """
    rows = math.prod(x.lead) // x.fold
    first = len(x.trace.lead)
    if len(target) > first > 0 and target[:first] == x.trace.lead:
        return first, 1
    for axes in range(1, len(target) + 1):
        if math.prod(target[:axes]) == rows:
            return axes, 1
    if target and rows and target[0] % rows == 0:
        return 1, target[0] // rows
    raise Untraceable(f"it reshapes rows {x.shape} to {target}")


def selected(x: Rows, items: Sequence[Any]) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """The runs of units that an index of rows selects, first and last (exclusive), and the new inner axes."""
    taken = [i for i in items if i is not None and i is not Ellipsis]
    fill = [slice(None)] * (len(x.shape) - len(taken))
    if Ellipsis in items:
        at = list(items).index(Ellipsis)
        index = [*items[:at], *fill, *items[at + 1 :]]
    else:
        index = [*items, *fill]
    rows, inner = index[: len(x.lead)], index[len(x.lead) :]
    if len(taken) > len(x.shape) or any(not isinstance(i, slice) or i != slice(None) for i in rows):
        raise Untraceable("it selects rows of an array")
    if x.fold != 1:
        raise Untraceable("it indexes rows that have inner axes among them")
    shape = x.shape[len(x.lead) :]
    if all(i is None or i == slice(None) for i in inner):
        sizes = iter(shape)
        return [(0, math.prod(shape))], tuple(1 if i is None else next(sizes) for i in inner)
    units = np.arange(math.prod(shape)).reshape(shape)[tuple(inner)]
    runs = []
    for _, run in groupby(enumerate(units.reshape(-1).tolist()), lambda pair: pair[1] - pair[0]):
        (_, first), *others = run
        runs.append((first, others[-1][1] + 1 if others else first + 1))
    if not runs:
        raise Untraceable("it selects no columns")
    if len(runs) > SELECTED:
        raise Untraceable(f"it selects {len(runs)} separate runs of units")
    return runs, units.shape


def reduced(trace: Trace, name: str, value: int, shape: Sequence[int], axes: set[int]) -> int:
    """The units of a reduction of inner axes."""
    sizes = list(shape)
    for axis in sorted(axes, reverse=True):
        value = trace.reduce_axis(name, value, sizes[axis], math.prod(sizes[axis + 1 :]))
        sizes[axis] = 1
    return value


def expanded(trace: Trace, value: int, shape: Sequence[int], target: Sequence[int]) -> int:
    """Units with inner axes of length 1 repeated to those of ``target``."""
    sizes = list(shape)
    for axis, size in enumerate(target):
        if sizes[axis] != size:
            value = trace.expand(value, size, math.prod(sizes[axis + 1 :]))
            sizes[axis] = size
    return value


def vector(trace: Trace, value: int, target: Sequence[int]) -> int:
    """A fixed value that broadcasts to inner axes as a vector of units; of length 1 where it is one number."""
    shape = trace[value].shape
    if math.prod(shape) == 1:
        return trace.reshape(value, (1,))
    kept = shape[max(0, len(shape) - len(target)) :]
    if math.prod(kept) != math.prod(shape):
        raise Untraceable("it combines rows with an array of several rows")
    if (*[1] * (len(target) - len(kept)), *kept) != tuple(target):
        value = trace.fixed("broadcast", (trace.reshape(value, kept),), tuple(target), tuple(target))
    return trace.reshape(value, (math.prod(target),))


def operand(symbol: Rows, inner: tuple[int, ...], fold: int) -> int:
    """A symbol as an operand of an elementwise operation whose result has these inner axes."""
    trace, target = symbol.trace, (fold, *inner)
    if symbol.kind == FIXED:
        return vector(trace, symbol.value, target)
    source = trace.unspread(symbol.value)
    shape = symbol.shape[len(symbol.lead) :]
    if trace[source].kind == CONSTANT:
        return source
    if trace[source].kind == FIXED and trace[source].width == 1:
        return vector(trace, source, target)
    if trace[source].kind == FIXED and symbol.fold == 1:
        return vector(trace, trace.reshape(source, shape), target)
    if trace[symbol.value].width == 1:
        return symbol.value
    return expanded(trace, symbol.value, (symbol.fold, *shape), target)
