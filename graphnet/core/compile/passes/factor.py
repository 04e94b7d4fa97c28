"""Factor each error in the backward loop into coefficient times basis, and compute the coefficients outside the loop.

``((error · o) · (1 - t·t)) · f`` becomes ``error · k`` with ``k = o · (1 - t·t) · f``: one of three multiplications
that depend on the carried error remains, and ``k`` is computed for many steps at once. Sums, products with weights and
reductions start a new basis, and so does an error with three or more users. Costs one more value, outside the loop, for
each use of a chain.
"""

from __future__ import annotations

from graphnet.core.compile.notes import Note, unchanged
from graphnet.core.compile.trace.ir import CONSTANT, ROWS, Operation, Trace, rebuild
from graphnet.core.records import record

#: An error with at least this many users is computed once, in the loop: coefficients for each of them would cost more.
MANY_USERS = 3


@record
class Chain:
    """``basis · (product of factors) / (product of divisors) · scale``, of some width."""

    basis: int
    factors: tuple[int, ...]
    divisors: tuple[int, ...]
    scale: float
    width: int


def factor(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with chains of multiplications on carried errors factored."""
    if not trace.has("carried_error"):
        return trace, unchanged("there are no carried errors")
    after = _Factoring(trace).run()

    def note() -> str:
        before, remaining = _in_backward_loop(trace), _in_backward_loop(after)
        return f"{before} multiplications by carried errors -> {remaining}; coefficients are computed outside the loop"

    return after, note


def _in_backward_loop(trace: Trace) -> int:
    """The number of elementwise multiplications and divisions that depend on a carried error."""
    live, on_error = trace.live(), trace.depends_on(["carried_error"])
    return sum(on_error[v] and o.name in ("multiply", "divide") and v in live for v, o in enumerate(trace.values))


class _Factoring:
    """Rewrites one trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.on_error = trace.depends_on(["carried_error"])
        live = trace.live()
        self.users = [[u for u in users if u in live] for users in trace.users()]
        self.chains: dict[int, Chain] = {}
        self.roles = set(trace.roles.all())

    def run(self) -> Trace:
        return self.trace.rewrite(self.build)

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        chain = self.chain(new, operation, args) if self.on_error[number] and operation.kind == ROWS else None
        if chain is None:
            return rebuild(new, operation, tuple(self.value(new, a) for a in args))
        users = self.users[number]
        if number in self.roles or not chain.factors or len(users) >= MANY_USERS:
            return self.emit(new, chain)
        extends = any(a in self.chains for a in args)
        if not extends and all(self.trace[u].name not in ("multiply", "divide", "negative") for u in users):
            return self.emit(new, chain)
        # A placeholder for the chain, which is emitted when an operation needs its value.
        placeholder = new.add(Operation("chain", args, (operation.name, chain), ROWS, (chain.width,)))
        self.chains[placeholder] = chain
        return placeholder

    def value(self, new: Trace, number: int) -> int:
        chain = self.chains.get(number)
        return number if chain is None else self.emit(new, chain)

    def chain(self, new: Trace, operation: Operation, args: tuple[int, ...]) -> Chain | None:
        """The chain of a product with one factor that depends on the error; None for anything else."""
        if operation.name == "negative":
            c = self.chain_of(new, args[0])
            return Chain(c.basis, c.factors, c.divisors, -c.scale, c.width)
        if operation.name not in ("multiply", "divide"):
            return None
        on_error = [self.on_error[a] for a in operation.args]
        divide = operation.name == "divide"
        if all(on_error) or (divide and on_error[1]):
            return None
        error, other = args if on_error[0] else args[::-1]
        c = self.chain_of(new, error)
        if new[other].kind == CONSTANT:
            number = float(new[other].attr)
            scale = c.scale / number if divide else c.scale * number
            return Chain(c.basis, c.factors, c.divisors, scale, operation.width)
        factors = c.factors if divide else (*c.factors, other)
        divisors = (*c.divisors, other) if divide else c.divisors
        return Chain(c.basis, factors, divisors, c.scale, operation.width)

    def chain_of(self, new: Trace, value: int) -> Chain:
        return self.chains.get(value, Chain(value, (), (), 1.0, new[value].width))

    def emit(self, new: Trace, chain: Chain) -> int:
        """Add the operations of a chain; the number of its value."""
        coefficient: int | None = None
        for value in sorted(chain.factors, key=lambda v: (new[v].width != chain.width, v)):
            coefficient = value if coefficient is None else new.ufunc("multiply", coefficient, value)
        for value in sorted(chain.divisors):
            if coefficient is None:
                coefficient = new.constant(1.0)
            coefficient = new.ufunc("divide", coefficient, value)
        if chain.scale != 1.0:
            scale = new.constant(chain.scale)
            coefficient = scale if coefficient is None else new.ufunc("multiply", coefficient, scale)
        if coefficient is None:
            return chain.basis
        if new[coefficient].kind == CONSTANT and new[coefficient].attr == -1.0:
            return new.ufunc("negative", chain.basis)
        return new.ufunc("multiply", chain.basis, coefficient)
