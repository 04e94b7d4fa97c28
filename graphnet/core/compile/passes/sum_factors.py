"""Take factors that are computed from weights out of sums over rows.

The gradient of ``w`` in ``h * exp(w)`` is the sum over rows of ``error · h · exp(w)``: one product for each row and
step. ``exp(w) · Σ error · h`` needs it once. Sums and differences are taken apart for that. Applied to values that
nothing else reads; a part of ``hoist``. Costs one walk over the trace, and an accumulator for each term.
"""

from __future__ import annotations

from graphnet.core.compile.notes import Note, unchanged
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, ROWS, Operation, Trace, rebuild

#: Terms of one sum, at most.
MOST = 16


def sum_factors(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with sums over rows whose terms have no factors that are computed from weights."""
    values = trace.values
    if not any(
        o.kind == ROWS and o.name == "multiply" and any(values[a].kind == FIXED for a in o.args) for o in values
    ):
        return trace, unchanged("no value of rows is multiplied by weights")
    uses = trace.use_counts()
    single: dict[int, bool] = {}
    moved: list[int] = []

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        value = None
        if operation.name == "rowsum":
            value = _factored(new, args[0], single)
        if value is None or new[value].shape != operation.shape:
            value = rebuild(new, operation, args)
        else:
            moved.append(value)
        single[value] = uses[number] == 1 and value not in single
        return value

    after = trace.rewrite(build)
    if not moved:
        return trace, unchanged("no sum over rows has a factor that is computed from weights alone")
    return after, lambda: f"{len(moved)} sums over rows are multiplied by weights, and not each row"


def _factored(new: Trace, value: int, single: dict[int, bool]) -> int | None:
    """The sum over the rows of a value as a sum of products of sums and fixed values; None where that has no use."""
    terms: list[tuple[int, tuple[tuple[str, int], ...], bool]] = []
    stack: list[tuple[int, tuple[tuple[str, int], ...], bool]] = [(value, (), False)]
    while stack:
        number, factors, negative = stack.pop()
        operation = new[number]
        a, b = operation.args if len(operation.args) == 2 else (number, number)
        inside = single.get(number, False) and operation.kind == ROWS
        if inside and operation.name in ("add", "subtract") and new[a].width == new[b].width == operation.width:
            stack += [(b, factors, negative ^ (operation.name == "subtract")), (a, factors, negative)]
        elif inside and operation.name == "negative":
            stack.append((operation.args[0], factors, not negative))
        elif inside and operation.name in ("multiply", "divide") and new[b].kind in (FIXED, CONSTANT):
            stack.append((a, (*factors, (operation.name, b)), negative))
        elif inside and operation.name == "multiply" and new[a].kind in (FIXED, CONSTANT):
            stack.append((b, (*factors, ("multiply", a)), negative))
        else:
            terms.append((number, factors, negative))
        if len(terms) > MOST:
            return None
    if any(new[n].kind != ROWS for n, _, _ in terms):
        return None
    if not any(new[f].kind == FIXED for _, factors, _ in terms for _, f in factors):
        return None
    total: int | None = None
    for number, factors, negative in terms:
        part = new.rowsum(number)
        for name, factor in reversed(factors):
            part = new.ufunc(name, part, factor)
        if total is None:
            total = new.ufunc("negative", part) if negative else part
        else:
            total = new.ufunc("subtract" if negative else "add", total, part)
    return total
