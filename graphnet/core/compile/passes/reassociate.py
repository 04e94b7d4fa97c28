"""Reassociate sums: terms that do not depend on the time loop first, then products, then the rest; fold constants.

``½·(h @ W + b + x @ V)`` becomes ``(x @ (½V) + ½b) + h @ (½W)``: the bracket can be computed before the loop, and the
multiplication by ½ disappears. A factor is distributed only if each term absorbs it at no cost (products with weights,
weights themselves); sums with several users are not expanded. Costs nothing at run time; the rounding of sums changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from graphnet.core.compile.notes import Note, live_counts
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, ROWS, Operation, Trace, rebuild

#: A linear combination: coefficients of terms, which are values of the new trace.
Terms = dict[int, float]


def reassociate(trace: Trace) -> tuple[Trace, Note]:
    """Return the trace with each sum in canonical order."""
    after = _Reassociation(trace).run()

    def note() -> str:
        before, counts = live_counts(trace), live_counts(after)
        if before == counts and len(trace) == len(after):
            return "no change: every sum is in order, and weights can absorb no constant"
        folded = sum(o.name == "multiply" and o.kind == FIXED for o in after.values)
        removed = sum(before[name] - counts[name] for name in ("multiply", "add", "subtract"))
        return f"sums in canonical order; {folded} weights absorbed a constant; {removed} sums and products removed"

    return after, note


class _Reassociation:
    """Rewrites one trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        live = trace.live()
        self.users = [[u for u in users if u in live] for users in trace.users()]
        self.roles = set(trace.roles.all())
        self.on_error, self.on_state = trace.depends_on(["carried_error"]), trace.depends_on(["state"])
        #: Of the new trace: sums that are not emitted yet, (depends on an error, on a state), and single users.
        self.pending: dict[int, Terms] = {}
        self.dependence: dict[int, tuple[bool, bool]] = {}
        self.single_user: dict[int, bool] = {}

    def run(self) -> Trace:
        return self.trace.rewrite(self.build)

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        value = self.sum(new, operation, args, number) if operation.kind == ROWS else rebuild(new, operation, args)
        self.dependence.setdefault(value, (self.on_error[number], self.on_state[number]))
        self.single_user[value] = self.used_once(number) and value not in self.single_user
        return value

    def sum(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        terms = self.terms_of(new, operation, args)
        if terms is None:
            return rebuild(new, operation, args)
        terms = self.fold_constants(new, terms)
        rows = [new[t] for t in terms if new[t].kind != CONSTANT]
        if any(r.width != operation.width or not r.shape for r in rows):
            return rebuild(new, operation, args)
        if self.is_inner(number):
            # A placeholder: the only sum that uses the value takes over its terms.
            placeholder = new.add(Operation("sum", tuple(terms), tuple(terms.values()), ROWS, operation.shape))
            self.pending[placeholder] = terms
            return placeholder
        return self.emit(new, terms, number)

    def used_once(self, number: int) -> bool:
        return len(self.users[number]) == 1 and number not in self.roles

    @staticmethod
    def fold_constants(new: Trace, terms: Terms) -> Terms:
        """The sum with all its constants as one term."""
        constants = {t: factor for t, factor in terms.items() if new[t].kind == CONSTANT}
        if not constants:
            return terms
        total = sum(factor * float(new[t].attr) for t, factor in constants.items())
        others = {t: factor for t, factor in terms.items() if t not in constants}
        return others if total == 0.0 and others else {**others, new.constant(total): 1.0}

    def is_inner(self, number: int) -> bool:
        """Whether the only user of a sum is another sum, or a multiplication by a constant that its terms absorb."""
        if not self.used_once(number):
            return False
        user = self.trace[self.users[number][0]]
        if user.kind != ROWS or user.shape != self.trace[number].shape:
            return False
        if user.args.count(number) > 1:
            return False
        if user.name in ("add", "subtract", "negative"):
            others = [a for a in user.args if a != number]
            return all(self.trace[a].kind == CONSTANT or self.trace[a].width == user.width for a in others)
        constant = any(self.trace[a].kind == CONSTANT for a in user.args)
        return user.name == "multiply" and constant and self.absorbs_factor(number)

    def absorbs_factor(self, number: int) -> bool:
        """Whether a factor can be distributed over all terms of a value at no cost."""
        terms = [number]
        while terms:
            number = terms.pop()
            operation = self.trace[number]
            if operation.kind == FIXED:
                continue
            if not self.used_once(number):
                return False
            if operation.name in ("add", "subtract", "negative"):
                terms += operation.args
            elif operation.name == "multiply":
                others = [a for a in operation.args if self.trace[a].kind != CONSTANT]
                if len(others) == len(operation.args):
                    return False
                terms += others
            elif operation.name != "dot":
                return False
        return True

    def terms_of(self, new: Trace, operation: Operation, args: tuple[int, ...]) -> Terms | None:
        """The terms of a sum; None for other operations."""
        if operation.name in ("add", "subtract"):
            sign = 1.0 if operation.name == "add" else -1.0
            return combine([(self.expand(args[0]), 1.0), (self.expand(args[1]), sign)])
        if operation.name == "negative":
            return combine([(self.expand(args[0]), -1.0)])
        if operation.name == "multiply" and any(new[a].kind == CONSTANT for a in args):
            constant, other = sorted(args, key=lambda a: new[a].kind != CONSTANT)
            return combine([(self.expand(other), float(new[constant].attr))])
        return None

    def expand(self, value: int) -> Terms:
        return self.pending.get(value, {value: 1.0})

    # ------------------------------------------------------------------ emit
    def emit(self, new: Trace, terms: Terms, number: int) -> int:
        """Add the operations of a sum: rows known before the loop, fixed values, products in the loop, the rest."""
        loop = 0 if self.on_error[number] else 1
        groups: list[list[int]] = [[], [], [], []]
        for term, factor in terms.items():
            in_loop = self.dependence.get(term, (False, False))[loop]
            rank = (2 if new[term].name == "dot" else 3) if in_loop else (0 if new[term].kind == ROWS else 1)
            groups[rank].append(self.scale(new, term, factor))
        partial_sums = [self.add_all(new, group) for group in (groups[0] + groups[1], groups[2]) if group]
        return self.add_all(new, [*partial_sums, *groups[3]])

    def add_all(self, new: Trace, values: list[int]) -> int:
        total, *rest = values
        for value in rest:
            dependences = [self.dependence.get(v, (False, False)) for v in (total, value)]
            total = self.add(new, total, value)
            (error_a, state_a), (error_b, state_b) = dependences
            self.dependence.setdefault(total, (error_a or error_b, state_a or state_b))
        return total

    @staticmethod
    def add(new: Trace, a: int, b: int) -> int:
        """``a + b``, or ``a - c`` where ``b`` is ``-c``."""
        for first, second in ((a, b), (b, a)):
            operation = new[second]
            if operation.name == "negative" and operation.kind == ROWS:
                return new.ufunc("subtract", first, operation.args[0])
        return new.ufunc("add", a, b)

    def scale(self, new: Trace, term: int, factor: float) -> int:
        """A term times its coefficient, which weights absorb where possible."""
        if factor == 1.0:
            return term
        constant = new.constant(factor)
        operation = new[term]
        if operation.kind == CONSTANT:
            return new.constant(factor * float(operation.attr))
        if operation.kind == FIXED:
            return new.ufunc("multiply", term, constant)
        if operation.name == "dot" and self.single_user.get(term):
            scaled = new.dot(operation.args[0], new.ufunc("multiply", operation.args[1], constant))
        elif factor == -1.0:
            scaled = new.ufunc("negative", term)
        else:
            scaled = new.ufunc("multiply", term, constant)
        self.dependence.setdefault(scaled, self.dependence.get(term, (False, False)))
        self.single_user.setdefault(scaled, True)
        return scaled


def combine(parts: Iterable[tuple[Terms, float]]) -> Terms:
    """Return the sum of linear combinations, each multiplied by a factor."""
    total: Terms = {}
    for terms, factor in parts:
        for term, coefficient in terms.items():
            total[term] = total.get(term, 0.0) + coefficient * factor
    return total
