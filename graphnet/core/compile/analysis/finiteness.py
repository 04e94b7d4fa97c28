"""Finiteness: whether a program can turn finite operands into infinities or NaN.

``tanh(x @ W + h @ U)`` is finite for any finite ``x`` and ``h``, and so are its derivatives: beyond the end of a row it
may run on zeros, because a zero error times a finite number is zero. ``log(x)`` and ``a / b`` are not finite in
general, and ``h * h`` overflows where ``h`` does not; such programs get copies of valid steps. Costs one walk over the
trace.
"""

from __future__ import annotations

from graphnet.core.compile.trace.ir import CONSTANT, ROWS, Operation, Trace
from graphnet.core.compile.trace.ufuncs import PREDICATES

#: Operations whose results have about the magnitude of their largest operand, at most.
LINEAR = frozenset(
    (
        *("add", "subtract", "negative", "positive", "absolute", "fabs", "arcsinh", "cbrt"),
        *("maximum", "minimum", "fmax", "fmin", "copysign", "floor", "ceil", "rint", "trunc"),
        *("where", "copy", "dot", "dots", "columns", "join", "reduce", "expand", "reduce_axis", "permute"),
    )
)
#: Operations whose results have a magnitude of about 1, at most.
BOUNDED = frozenset(("tanh", "sin", "cos", "arctan", "arctan2", "sign", "heaviside", *PREDICATES))
#: Leaves whose magnitude differs between steps without a bound. That of contexts and random numbers does not differ.
#: Errors are zero beyond the end of a row, and so is everything that is linear in them.
UNBOUNDED_LEAVES = frozenset(("sequence", "state"))
BOUNDED_LEAVES = frozenset(("context", "draw", "emitted_error", "carried_error", "ones"))


def may_be_nonfinite(trace: Trace) -> bool:
    """Return whether an operation on rows can give an infinity or NaN for finite operands.

    That is a division, a logarithm, a root, a power, an exponential, or a product of several unbounded values.
    """
    live = trace.live()
    on_error = trace.depends_on(("emitted_error", "carried_error"))
    degrees: dict[int, int] = {}
    for value, operation in enumerate(trace.values):
        if value in live and operation.kind == ROWS:
            degree = _degree(trace, operation, degrees)
            if degree is None or degree > 1:
                return True
            degrees[value] = 0 if on_error[value] else degree
    return False


def _degree(trace: Trace, operation: Operation, degrees: dict[int, int]) -> int | None:
    """How many unbounded values have a product of the value's magnitude; None if no product bounds it."""
    name, of_args = operation.name, [degrees.get(a, 0) for a in operation.args]
    if name in UNBOUNDED_LEAVES:
        return 1
    if name in BOUNDED_LEAVES or name in BOUNDED or _is_clipped(trace, operation):
        return 0
    if name in LINEAR:
        return max(of_args, default=0)
    if name in ("multiply", "square"):
        return sum(of_args) * (2 if name == "square" else 1)
    if name == "divide":
        divisor = trace[operation.args[1]]
        return of_args[0] if divisor.kind == CONSTANT and divisor.attr else None
    return None


def _is_clipped(trace: Trace, operation: Operation) -> bool:
    """Whether a value lies between two constants: ``minimum(maximum(x, low), high)``, or the reverse."""
    inverse = {"minimum": "maximum", "maximum": "minimum"}.get(operation.name)
    if inverse is None or not any(trace[a].kind == CONSTANT for a in operation.args):
        return False
    inner = [trace[a] for a in operation.args if trace[a].name == inverse]
    return any(trace[a].kind == CONSTANT for o in inner for a in o.args)
