"""Write each error in the loop as one coefficient times one basis; the coefficients leave the loop.

``((error · o) · (1 - t·t)) · f`` becomes ``error · k`` with ``k = o · (1 - t·t) · f``: of three products that hang on
the carried error, one is left, and ``k`` is made for many steps at once. Only sums, products with weights and
reductions make a new basis, and an error that three or more read. Applied to values that hang on a carried error, where
the rest is known before. Costs one more value for each use of a chain, made outside the loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphnet.core.compile.trace.ir import CONSTANT, ROWS, Operation, Trace, same

#: Users of one error from which on it is made once in the loop: a coefficient for each of them would cost more.
MANY = 3


@dataclass(frozen=True, slots=True)
class Form:
    """``basis · (product of factors) / (product of divisors) · scale``, of some width."""

    basis: int
    factors: tuple[int, ...]
    divisors: tuple[int, ...]
    scale: float
    width: int


def factor(trace: Trace) -> Trace:
    """The trace with chains of products on carried errors factored."""
    return _Factors(trace).run() if trace.has("carried_error") else trace


class _Factors:
    """One pass over one trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.hot = trace.depends(["carried_error"])
        alive = trace.ancestors(trace.roles.all())
        self.users = [[u for u in users if u in alive] for users in trace.users()]
        self.forms: dict[int, Form] = {}
        self.roles = set(trace.roles.all())

    def run(self) -> Trace:
        return self.trace.rewritten(self.build)

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        form = self.form(new, operation, args) if self.hot[number] and operation.kind == ROWS else None
        if form is None:
            return same(new, operation, tuple(self.made(new, a) for a in args))
        if number in self.roles or not form.factors or len(self.users[number]) >= MANY:
            return self.make(new, form)
        chain = [a for a in args if a in self.forms]
        if not chain and all(self.trace[u].name not in ("multiply", "divide", "negative") for u in self.users[number]):
            return self.make(new, form)
        # Stands for the form until somebody needs the number.
        placeholder = new.add(Operation("chain", args, (operation.name, form), ROWS, (form.width,)))
        self.forms[placeholder] = form
        return placeholder

    def made(self, new: Trace, value: int) -> int:
        form = self.forms.get(value)
        return value if form is None else self.make(new, form)

    def form(self, new: Trace, operation: Operation, args: tuple[int, ...]) -> Form | None:
        """The form of a product with one factor that hangs on the error; None for anything else."""
        if operation.name == "negative":
            f = self.of(new, args[0])
            return Form(f.basis, f.factors, f.divisors, -f.scale, f.width)
        if operation.name not in ("multiply", "divide"):
            return None
        hot = [self.hot[a] for a in operation.args]
        if all(hot) or (operation.name == "divide" and hot[1]):
            return None
        first = args[0] if hot[0] else args[1]
        other = args[1] if hot[0] else args[0]
        f = self.of(new, first)
        divide = operation.name == "divide"
        if new[other].kind == CONSTANT:
            number = float(new[other].attr)
            return Form(
                f.basis, f.factors, f.divisors, f.scale / number if divide else f.scale * number, operation.width
            )
        factors = f.factors if divide else (*f.factors, other)
        divisors = (*f.divisors, other) if divide else f.divisors
        return Form(f.basis, factors, divisors, f.scale, operation.width)

    def of(self, new: Trace, value: int) -> Form:
        return self.forms.get(value, Form(value, (), (), 1.0, new[value].width))

    def make(self, new: Trace, form: Form) -> int:
        """The number that a form stands for."""
        coefficient: int | None = None
        for value in sorted(form.factors, key=lambda v: (new[v].width != form.width, v)):
            coefficient = value if coefficient is None else new.ufunc("multiply", coefficient, value)
        for value in sorted(form.divisors):
            if coefficient is None:
                coefficient = new.constant(1.0)
            coefficient = new.ufunc("divide", coefficient, value)
        if form.scale != 1.0:
            scale = new.constant(form.scale)
            coefficient = scale if coefficient is None else new.ufunc("multiply", coefficient, scale)
        if coefficient is None:
            return form.basis
        if new[coefficient].kind == CONSTANT and new[coefficient].attr == -1.0:
            return new.ufunc("negative", form.basis)
        return new.ufunc("multiply", form.basis, coefficient)
