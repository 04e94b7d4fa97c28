"""Traced operations: a small graph over numbered values, in which equal operations are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Kinds of values. Rows: one number array for each row of the batch, at each step. Fixed: made from weights alone.
#: Total: summed over the rows, and over the steps; linear in those sums. Constant: a Python number.
ROWS, FIXED, TOTAL, CONSTANT = "rows", "fixed", "total", "constant"

#: Leaves of each kind, by operation name.
LEAVES = frozenset(
    {"sequence", "state", "context", "draw", "emitted_error", "carried_error", "weight", "constant", "ones"}
)

#: Leaves with a value for each step.
TIMED_LEAVES = frozenset({"sequence", "state", "draw", "ones", "emitted_error", "carried_error"})

#: Elementwise functions that may be named in a plan; everything else is not traced.
ARITHMETIC = ("add", "subtract", "multiply", "divide", "negative", "positive", "absolute", "fabs", "square", "sqrt")
POWERS = ("cbrt", "reciprocal", "power", "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "hypot", "logaddexp")
TRIGONOMETRY = ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2")
HYPERBOLIC = ("tanh", "sinh", "cosh", "arcsinh", "arccosh", "arctanh")
CHOICES = ("maximum", "minimum", "fmax", "fmin", "sign", "copysign", "heaviside", "floor", "ceil", "rint", "trunc")
ORDER = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
COMPARISONS = frozenset((*ORDER, "logical_and", "logical_or", "logical_not", "isfinite", "isnan"))
NAMES = (*ARITHMETIC, *POWERS, *TRIGONOMETRY, *HYPERBOLIC, *CHOICES, *sorted(COMPARISONS))
#: Those whose output numpy wants by name; the others take it by position, which is quicker.
NAMED_OUTPUT = frozenset(("maximum", "minimum"))
UFUNCS: dict[str, np.ufunc] = {name: getattr(np, name) for name in NAMES}


@dataclass(frozen=True, slots=True)
class Operation:
    """One value: what makes it, from which values; ``shape`` is without the rows for values of the kind ROWS."""

    name: str
    args: tuple[int, ...]
    attr: Any
    kind: str
    shape: tuple[int, ...]
    boolean: bool = False

    @property
    def width(self) -> int:
        """Numbers a row."""
        return self.shape[-1] if self.shape else 1

    @property
    def elementwise(self) -> bool:
        """Whether the value is made of rows by a ufunc or a choice, number by number."""
        return self.kind == ROWS and (self.name in UFUNCS or self.name in ("where", "copy"))


@dataclass(slots=True)
class Roles:
    """What a cell's values are to the Scan: outputs, next states, errors that leave it, and gradients by weight."""

    emitted: tuple[int, ...]
    next: tuple[int, ...]
    sequence_errors: tuple[int | None, ...] = ()
    carried: tuple[int | None, ...] = ()
    context_errors: tuple[int | None, ...] = ()
    gradients: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def all(self) -> list[int]:
        """Every value that has a role."""
        some = (*self.emitted, *self.next, *self.sequence_errors, *self.carried, *self.context_errors)
        return [v for v in (*some, *self.gradients.values()) if v is not None]

    def mapped(self, new: Callable[[int], int]) -> Roles:
        """The same roles for other values."""

        def each(values: Iterable[int | None]) -> tuple[Any, ...]:
            return tuple(None if v is None else new(v) for v in values)

        gradients = {key: new(v) for key, v in self.gradients.items()}
        return Roles(
            each(self.emitted),
            each(self.next),
            each(self.sequence_errors),
            each(self.carried),
            each(self.context_errors),
            gradients,
        )


class Trace:
    """The values of one cell, each after those it is made of, and their roles.

    ``paths`` says of each value which node's rule it comes from; ``path`` is that of the values that are added next.
    """

    def __init__(self) -> None:
        self.values: list[Operation] = []
        self.roles = Roles((), ())
        self.paths: list[str] = []
        self.path = ""
        self._index: dict[Any, int] = {}

    def __getitem__(self, value: int) -> Operation:
        return self.values[value]

    def __len__(self) -> int:
        return len(self.values)

    def add(self, operation: Operation) -> int:
        """The number of the value; that of an equal one where there is one."""
        o = operation
        key = (o.name, o.args, o.attr, o.shape)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self.values)
            self.values.append(operation)
            self.paths.append(self.path)
        return found

    # ------------------------------------------------------------------ making values
    def constant(self, number: float) -> int:
        """A Python number."""
        return self.add(Operation("constant", (), float(number), CONSTANT, ()))

    def leaf(self, name: str, attr: Any, kind: str, shape: tuple[int, ...]) -> int:
        """A value that comes from outside."""
        return self.add(Operation(name, (), attr, kind, shape))

    def ufunc(self, name: str, *args: int) -> int:
        """A ufunc of rows, fixed values and constants; of the kind that its arguments make."""
        values = self.values
        kinds = [values[a].kind for a in args]
        boolean = name in COMPARISONS
        if ROWS in kinds:
            width = max([values[a].shape[-1] if values[a].shape else 1 for a in args])
            return self.add(Operation(name, args, None, ROWS, (width,), boolean))
        kind = TOTAL if TOTAL in kinds else FIXED if FIXED in kinds else CONSTANT
        if kind == CONSTANT:
            return self.constant(float(UFUNCS[name](*[self[a].attr for a in args])))
        shape = np.broadcast_shapes(*[self[a].shape for a in args])
        return self.add(Operation(name, args, None, kind, shape, boolean))

    def where(self, condition: int, a: int, b: int) -> int:
        """``a`` where the condition holds, else ``b``."""
        width = max(self[v].shape[-1] if self[v].shape else 1 for v in (condition, a, b))
        return self.add(Operation("where", (condition, a, b), None, ROWS, (width,), self[a].boolean))

    def copy(self, value: int, width: int | None = None, key: Any = None) -> int:
        """The value in a place of its own; ``key`` tells copies of one value apart."""
        shape = self[value].shape[-1:] if width is None else (width,)
        return self.add(Operation("copy", (value,), key, ROWS, shape))

    def dot(self, rows: int, fixed: int) -> int:
        """``rows @ fixed``."""
        return self.add(Operation("dot", (rows, fixed), None, ROWS, (self[fixed].shape[1],)))

    def columns(self, rows: int, start: int, stop: int) -> int:
        """``rows[..., start:stop]``."""
        if (start, stop) == (0, self[rows].width):
            return rows
        return self.add(Operation("columns", (rows,), (start, stop), ROWS, (stop - start,), self[rows].boolean))

    def join(self, *rows: int) -> int:
        """The rows side by side."""
        if len(rows) == 1:
            return rows[0]
        return self.add(Operation("join", rows, None, ROWS, (sum(self[r].width for r in rows),), self[rows[0]].boolean))

    def reduce(self, name: str, rows: int) -> int:
        """A ufunc's reduction over the last axis, which stays with length 1."""
        return self.add(Operation("reduce", (rows,), name, ROWS, (1,)))

    def outer(self, a: int, b: int) -> int:
        """``a.T @ b``, summed over the rows."""
        return self.add(Operation("outer", (a, b), None, TOTAL, (self[a].width, self[b].width)))

    def rowsum(self, a: int) -> int:
        """``a.sum(0)``, summed over the rows."""
        return self.add(Operation("rowsum", (a,), None, TOTAL, (self[a].width,)))

    def fixed(self, name: str, args: tuple[int, ...], attr: Any, shape: tuple[int, ...]) -> int:
        """An operation on fixed values or totals (see ``arrays.evaluate``)."""
        kind = TOTAL if any(self[a].kind == TOTAL for a in args) else FIXED
        return self.add(Operation(name, args, attr, kind, shape))

    def slice(self, fixed: int, start: int, stop: int, axis: int) -> int:
        """Part of a fixed value or total along one axis."""
        shape = self[fixed].shape
        if (start, stop) == (0, shape[axis]):
            return fixed
        index = (*[(None, None, None)] * axis, (start, stop, None))
        return self.fixed("part", (fixed,), index, (*shape[:axis], stop - start, *shape[axis + 1 :]))

    def concatenate(self, parts: tuple[int, ...], axis: int) -> int:
        """Fixed values or totals one after the other along one axis."""
        if len(parts) == 1:
            return parts[0]
        shapes = [self[p].shape for p in parts]
        total = sum(s[axis] for s in shapes)
        return self.fixed("concatenate", parts, axis, (*shapes[0][:axis], total, *shapes[0][axis + 1 :]))

    # ------------------------------------------------------------------ reading
    def users(self) -> list[list[int]]:
        """For each value, those that are made of it."""
        found: list[list[int]] = [[] for _ in self.values]
        for number, operation in enumerate(self.values):
            for arg in set(operation.args):
                found[arg].append(number)
        return found

    def base(self, value: int) -> int:
        """The value that ``value`` is, or whose columns it is."""
        while self.values[value].name == "columns":
            value = self.values[value].args[0]
        return value

    def untimed(self) -> set[int]:
        """Values of rows that are the same at every step, and have no time axis: contexts, and what is made of them.

        Copies have one.
        """
        found: set[int] = set()
        for number, operation in enumerate(self.values):
            if operation.kind != ROWS or operation.name in TIMED_LEAVES or operation.name == "copy":
                continue
            rows = [a for a in operation.args if self.values[a].kind == ROWS]
            if all(a in found for a in rows):
                found.add(number)
        return found

    def ancestors(self, values: Iterable[int]) -> set[int]:
        """The values and everything they are made of."""
        made, found = self.values, set(values)
        waiting = list(found)
        while waiting:
            for arg in made[waiting.pop()].args:
                if arg not in found:
                    found.add(arg)
                    waiting.append(arg)
        return found

    def has(self, *names: str) -> bool:
        """Whether any value is of one of these names."""
        return any(operation.name in names for operation in self.values)

    def depends(self, names: Iterable[str]) -> list[bool]:
        """For each value, whether it is made of a leaf of one of these names."""
        chosen = frozenset(names)
        if not self.has(*chosen):
            return [False] * len(self.values)
        found: list[bool] = []
        for operation in self.values:
            hangs = operation.name in chosen
            for arg in () if hangs else operation.args:
                if found[arg]:
                    hangs = True
                    break
            found.append(hangs)
        return found

    def rewritten(self, build: Callable[[Trace, Operation, tuple[int, ...], int], int]) -> Trace:
        """A new trace in which each live value is what ``build(new, operation, new arguments, old number)`` makes."""
        new = Trace()
        alive = self.ancestors(self.roles.all())
        mapping: dict[int, int] = {}
        for number, operation in enumerate(self.values):
            if number in alive:
                new.path = self.paths[number]
                mapping[number] = build(new, operation, tuple([mapping[a] for a in operation.args]), number)
        new.roles = self.roles.mapped(mapping.__getitem__)
        return new


def same(new: Trace, operation: Operation, args: tuple[int, ...]) -> int:
    """The operation as it is, on new arguments."""
    if args == operation.args:
        return new.add(operation)
    o = operation
    return new.add(Operation(o.name, args, o.attr, o.kind, o.shape, o.boolean))
