"""Decide whether a program needs to run on numbers that occur in valid steps only.

``tanh(x @ W + h @ U)`` is finite for any finite ``x`` and ``h``, and so are its derivatives: beyond the end of a row it
may run on zeros, because a zero error times a finite number is zero. ``log(x)`` and ``a / b`` are not; they get copies
of valid steps. Reads one trace.
"""

from __future__ import annotations

from graphnet.core.compiler.operations import COMPARISONS, CONSTANT, LEAVES, ROWS, Operation, Trace

#: Operations that give finite numbers for finite operands, unless these are near the end of the dtype's range.
TOTAL_OPERATIONS = frozenset(
    (
        *("add", "subtract", "multiply", "negative", "positive", "absolute", "fabs", "square"),
        *("tanh", "sin", "cos", "arctan", "arctan2", "arcsinh", "cbrt"),
        *("maximum", "minimum", "fmax", "fmin", "sign", "copysign", "heaviside", "floor", "ceil", "rint", "trunc"),
        *("where", "copy", "dot", "dots", "columns", "join", "reduce"),
        *COMPARISONS,
        *LEAVES,
    )
)


def delicate(trace: Trace) -> bool:
    """Whether some operation on rows may give an infinity or NaN for finite operands: a division, a logarithm, a root,
    a power or an exponential.
    """
    alive = trace.ancestors(trace.roles.all())
    return any(trace[v].kind == ROWS and not _total(trace, trace[v]) for v in alive)


def _total(trace: Trace, operation: Operation) -> bool:
    if operation.name == "divide":
        divisor = trace[operation.args[1]]
        return divisor.kind == CONSTANT and bool(divisor.attr)
    return operation.name in TOTAL_OPERATIONS


def apart(trace: Trace) -> Trace:
    """The trace with a copy of each next state for the next step to read.

    A loop can then let a row that has ended read the same state at every further step, while the value itself, which
    outputs and derivatives are made of, stays what the step gave. Costs one call a state and step.
    """
    roles = trace.roles
    roles.next = tuple(trace.copy(value, key=("next", k)) for k, value in enumerate(roles.next))
    return trace
