"""Sums in one order: what does not hang on the time loop, then products, then the rest; constants move into weights.

``½·(h @ W + b + x @ V)`` becomes ``(x @ (½V) + ½b) + h @ (½W)``: the bracket can be made before the loop, and no
multiplication by ½ is left. A factor is only moved inside where each term takes it up for nothing (products with
weights, weights themselves); sums that several others use stay whole. Changes the rounding of sums, not their value.
"""

from __future__ import annotations

from graphnet.core.compile.trace.ir import CONSTANT, FIXED, ROWS, Operation, Trace, same

#: A sum: terms (values of the new trace) with their coefficients.
Form = dict[int, float]


def order(trace: Trace) -> Trace:
    """The trace with each sum in canonical order."""
    return _Sums(trace).run()


class _Sums:
    """One pass over one trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        alive = trace.ancestors(trace.roles.all())
        self.users = [[u for u in users if u in alive] for users in trace.users()]
        self.roles = set(trace.roles.all())
        self.carried, self.state = trace.depends(["carried_error"]), trace.depends(["state"])
        self.forms: dict[int, Form] = {}
        self.hot: dict[int, tuple[bool, bool]] = {}
        self.single: dict[int, bool] = {}

    def run(self) -> Trace:
        return self.trace.rewritten(self.build)

    def build(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        found = self.sum(new, operation, args, number) if operation.kind == ROWS else same(new, operation, args)
        self.hot.setdefault(found, (self.carried[number], self.state[number]))
        self.single[found] = len(self.users[number]) == 1 and number not in self.roles and found not in self.single
        return found

    def sum(self, new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        form = self.form(new, operation, args)
        if form is None:
            return same(new, operation, args)
        form = self.one_number(new, form)
        rows = [new[t] for t in form if new[t].kind != CONSTANT]
        if any(r.width != operation.width or not r.shape for r in rows):
            return same(new, operation, args)
        if self.inner(number):
            # Not made by itself: the one sum that uses it takes its terms. The number stands for it until then.
            placeholder = new.add(Operation("sum", tuple(form), tuple(form.values()), ROWS, operation.shape))
            self.forms[placeholder] = form
            return placeholder
        return self.make(new, form, number)

    @staticmethod
    def one_number(new: Trace, form: Form) -> Form:
        """The sum with all its constants as one."""
        numbers = {t: factor for t, factor in form.items() if new[t].kind == CONSTANT}
        if not numbers:
            return form
        total = sum(factor * float(new[t].attr) for t, factor in numbers.items())
        rest = {t: factor for t, factor in form.items() if t not in numbers}
        return rest if total == 0.0 and rest else {**rest, new.constant(total): 1.0}

    def inner(self, number: int) -> bool:
        """Whether a sum is used once, by another sum or a multiplication by a constant."""
        if len(self.users[number]) != 1 or number in self.roles:
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
        return user.name == "multiply" and constant and self.folds_later(number)

    def folds_later(self, number: int) -> bool:
        """Whether all terms below a sum take a factor for nothing."""
        operation = self.trace[number]
        if operation.kind == FIXED:
            return True
        once = len(self.users[number]) == 1 and number not in self.roles
        if operation.name == "dot":
            return once
        if operation.name in ("add", "subtract", "negative") and once:
            return all(self.folds_later(a) for a in operation.args)
        if operation.name == "multiply" and once:
            return any(self.trace[a].kind == CONSTANT for a in operation.args) and all(
                self.trace[a].kind == CONSTANT or self.folds_later(a) for a in operation.args
            )
        return False

    def form(self, new: Trace, operation: Operation, args: tuple[int, ...]) -> Form | None:
        """The terms of a sum; None for other operations."""
        if operation.name in ("add", "subtract"):
            sign = 1.0 if operation.name == "add" else -1.0
            return combined((self.terms(a), factor) for a, factor in zip(args, (1.0, sign), strict=True))
        if operation.name == "negative":
            return combined([(self.terms(args[0]), -1.0)])
        if operation.name == "multiply" and any(new[a].kind == CONSTANT for a in args):
            constant, other = sorted(args, key=lambda a: new[a].kind != CONSTANT)
            return combined([(self.terms(other), float(new[constant].attr))])
        return None

    def terms(self, value: int) -> Form:
        return self.forms.get(value, {value: 1.0})

    # ------------------------------------------------------------------ making
    def make(self, new: Trace, form: Form, number: int) -> int:
        hot_by = 0 if self.carried[number] else 1
        groups: list[list[int]] = [[], [], [], []]
        for term, factor in form.items():
            hot = self.hot.get(term, (False, False))[hot_by]
            rank = (2 if new[term].name == "dot" else 3) if hot else (0 if new[term].kind == ROWS else 1)
            groups[rank].append(self.scaled(new, term, factor))
        total: int | None = None
        for group in (groups[0] + groups[1], groups[2], groups[3]):
            part: int | None = None
            for term in group if group is not groups[3] else ():
                part = term if part is None else self.plus(new, part, term, number)
            if part is not None:
                total = part if total is None else self.plus(new, total, part, number)
        for term in groups[3]:
            total = term if total is None else self.plus(new, total, term, number)
        assert total is not None
        return total

    def plus(self, new: Trace, a: int, b: int, number: int) -> int:
        found = self._plus(new, a, b)
        hot = [self.hot.get(v, (False, False)) for v in (a, b)]
        self.hot.setdefault(found, (hot[0][0] or hot[1][0], hot[0][1] or hot[1][1]))
        return found

    @staticmethod
    def _plus(new: Trace, a: int, b: int) -> int:
        """``a + b``, or ``a - c`` where ``b`` is ``-1·c``."""
        for first, second in ((a, b), (b, a)):
            operation = new[second]
            if operation.name == "negative" and operation.kind == ROWS:
                return new.ufunc("subtract", first, operation.args[0])
        return new.ufunc("add", a, b)

    def scaled(self, new: Trace, term: int, factor: float) -> int:
        """A term times its coefficient; taken up by weights where it can be."""
        if factor == 1.0:
            return term
        constant = new.constant(factor)
        operation = new[term]
        if operation.kind == CONSTANT:
            return new.constant(factor * float(operation.attr))
        if operation.kind == FIXED:
            return new.ufunc("multiply", term, constant)
        hot = self.hot.get(term, (False, False))
        if operation.name == "dot" and self.single.get(term):
            found = new.dot(operation.args[0], new.ufunc("multiply", operation.args[1], constant))
        else:
            found = new.ufunc("negative", term) if factor == -1.0 else new.ufunc("multiply", term, constant)
        self.hot.setdefault(found, hot)
        self.single.setdefault(found, True)
        return found


def combined(parts: object) -> Form:
    """One sum of several, each times a factor."""
    found: Form = {}
    for form, factor in parts:  # type: ignore[attr-defined]
        for term, own in form.items():
            found[term] = found.get(term, 0.0) + own * factor
    return found
