"""Decide whether a program needs to run on numbers that occur in valid steps only.

``tanh(x @ W + h @ U)`` is finite for any finite ``x`` and ``h``, and so are its derivatives: beyond the end of a row it
may run on zeros, because a zero error times a finite number is zero. ``log(x)`` and ``a / b`` are not, and ``h * h``
overflows where ``h`` does not; their programs get copies of valid steps. Costs one walk over the trace.
"""

from __future__ import annotations

from graphnet.core.compile.trace.ir import COMPARISONS, CONSTANT, ROWS, Operation, Trace

#: Operations whose results are at most about as large as their largest operand.
LINEAR = frozenset(
    (
        *("add", "subtract", "negative", "positive", "absolute", "fabs", "arcsinh", "cbrt"),
        *("maximum", "minimum", "fmax", "fmin", "copysign", "floor", "ceil", "rint", "trunc"),
        *("where", "copy", "dot", "dots", "columns", "join", "reduce"),
    )
)
#: Operations whose results are at most about 1.
BOUNDED = frozenset(("tanh", "sin", "cos", "arctan", "arctan2", "sign", "heaviside", *COMPARISONS))
#: Leaves that differ from step to step without a bound. Contexts and random numbers are as large at other steps. Errors
#: are zero beyond the end of a row, and so is everything that is linear in them.
UNBOUNDED = frozenset(("sequence", "state"))
LEAVES = frozenset(("context", "draw", "emitted_error", "carried_error", "ones"))


def may_be_nonfinite(trace: Trace) -> bool:
    """Whether some operation on rows may give an infinity or NaN for finite operands: a division, a logarithm, a root,
    a power, an exponential, or a product of several unbounded numbers.
    """
    alive = trace.ancestors(trace.roles.all())
    errors = trace.depends(("emitted_error", "carried_error"))
    degrees: dict[int, int] = {}
    for value, operation in enumerate(trace.values):
        if value in alive and operation.kind == ROWS:
            degree = _degree(trace, operation, degrees)
            if degree is None or degree > 1:
                return True
            degrees[value] = 0 if errors[value] else degree
    return False


def _degree(trace: Trace, operation: Operation, degrees: dict[int, int]) -> int | None:
    """The number of unbounded numbers whose product a value may be as large as; None where there is no such limit."""
    name, of_args = operation.name, [degrees.get(a, 0) for a in operation.args]
    if name in UNBOUNDED:
        return 1
    if name in LEAVES or name in BOUNDED or _clipped(trace, operation):
        return 0
    if name in LINEAR:
        return max(of_args, default=0)
    if name in ("multiply", "square"):
        return sum(of_args) * (2 if name == "square" else 1)
    if name == "divide":
        divisor = trace[operation.args[1]]
        return of_args[0] if divisor.kind == CONSTANT and divisor.attr else None
    return None


def _clipped(trace: Trace, operation: Operation) -> bool:
    """Whether a value lies between two constants: ``minimum(maximum(x, low), high)``, or the other way round."""
    inverse = {"minimum": "maximum", "maximum": "minimum"}.get(operation.name)
    if inverse is None or not any(trace[a].kind == CONSTANT for a in operation.args):
        return False
    inner = [trace[a] for a in operation.args if trace[a].name == inverse]
    return any(trace[a].kind == CONSTANT for o in inner for a in o.args)
