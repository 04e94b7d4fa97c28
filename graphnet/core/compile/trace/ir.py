"""The intermediate representation: a graph of operations over numbered values, without common subexpressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from graphnet.core.compile.trace.ufuncs import PREDICATES, UFUNCS
from graphnet.core.records import record

_Item = TypeVar("_Item", bound=Hashable)

#: Kinds of values. Rows: one array for each row of the batch, at each step. Fixed: computed from weights alone.
#: Total: summed over rows and steps, and linear in those sums. Constant: a Python number.
ROWS, FIXED, TOTAL, CONSTANT = "rows", "fixed", "total", "constant"

#: The key of copies of fixed vectors for each row.
SPREAD = "spread"

#: The key of copies of values that have no storage of their own.
DENSE = "dense"

#: Operations without storage of their own, whose readers read that of the operand.
VIEWS = frozenset(("columns", "expand"))

#: Names of operations without operands.
LEAVES = frozenset(
    {"sequence", "state", "context", "draw", "emitted_error", "carried_error", "weight", "constant", "ones"}
)

#: Leaves with a value for each step.
TIMED_LEAVES = frozenset({"sequence", "state", "draw", "ones", "emitted_error", "carried_error"})


@record
class Operation:
    """One value: the operation that computes it, and its operands. The shape of ``ROWS`` excludes the rows.

    A value of rows has one axis of units, in which its inner axes are flattened, the last one fastest.
    """

    name: str
    args: tuple[int, ...]
    attr: Any
    kind: str
    shape: tuple[int, ...]
    boolean: bool = False

    @property
    def width(self) -> int:
        """Numbers per row."""
        return self.shape[-1] if self.shape else 1

    @property
    def elementwise(self) -> bool:
        """Whether the value is computed from rows element by element."""
        return self.kind == ROWS and (self.name in UFUNCS or self.name in ("where", "copy"))


@dataclass(slots=True)
class Roles:
    """The values of a cell that the Scan uses: outputs, next states, errors for its inputs, gradients by weight."""

    emitted: tuple[int, ...]
    next_states: tuple[int, ...]
    sequence_errors: tuple[int | None, ...] = ()
    carried_errors: tuple[int | None, ...] = ()
    context_errors: tuple[int | None, ...] = ()
    gradients: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def all(self) -> list[int]:
        """Every value that has a role."""
        errors = (*self.sequence_errors, *self.carried_errors, *self.context_errors)
        return [v for v in (*self.emitted, *self.next_states, *errors, *self.gradients.values()) if v is not None]

    def map(self, function: Callable[[int], int]) -> Roles:
        """Return the same roles for ``function(value)``."""

        def mapped(values: Iterable[int | None]) -> tuple[Any, ...]:
            return tuple(None if v is None else function(v) for v in values)

        return Roles(
            mapped(self.emitted),
            mapped(self.next_states),
            mapped(self.sequence_errors),
            mapped(self.carried_errors),
            mapped(self.context_errors),
            {key: function(v) for key, v in self.gradients.items()},
        )


class Trace:
    """The values of one cell in topological order, and their roles.

    ``paths`` holds, for each value, the path of the node whose rule computes it; ``path`` is the one recorded for
    values that are added.
    """

    def __init__(self) -> None:
        self.values: list[Operation] = []
        self.roles = Roles((), ())
        self.paths: list[str] = []
        self.path = ""
        self._numbers: dict[Any, int] = {}
        self._names: set[str] = set()
        #: The sizes of the row axes that its symbols have; () until it is known.
        self.lead: tuple[int, ...] = ()
        self._analyses: dict[str, tuple[int, Roles, Any]] = {}

    def __getitem__(self, value: int) -> Operation:
        return self.values[value]

    def __len__(self) -> int:
        return len(self.values)

    def add(self, operation: Operation) -> int:
        """Return the number of a value: an existing one where the same operation has been added before."""
        o = operation
        key = (o.name, o.args, o.attr, o.shape)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.values)
            self.values.append(operation)
            self.paths.append(self.path)
            self._names.add(o.name)
        return number

    # ------------------------------------------------------------------ build
    def constant(self, number: float) -> int:
        """A Python number."""
        return self.add(Operation("constant", (), float(number), CONSTANT, ()))

    def leaf(self, name: str, attr: Any, kind: str, shape: tuple[int, ...]) -> int:
        """An input of the trace."""
        return self.add(Operation(name, (), attr, kind, shape))

    def ufunc(self, name: str, *args: int) -> int:
        """A ufunc of rows, fixed values and constants; constants are folded."""
        values = self.values
        kinds = [values[a].kind for a in args]
        boolean = name in PREDICATES
        if ROWS in kinds:
            if "expand" in self._names:
                narrow = self._narrow(name, args)
                if narrow is not None:
                    return narrow
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
        """A copy of a value in storage of its own; ``key`` distinguishes several copies of one value."""
        shape = self[value].shape[-1:] if width is None else (width,)
        return self.add(Operation("copy", (value,), key, ROWS, shape, self[value].boolean))

    def spread(self, fixed: int) -> int:
        """A fixed vector for each row; operations on elements read the vector itself: see ``unspread``."""
        return self.copy(fixed, key=SPREAD)

    def unspread(self, value: int) -> int:
        """The fixed vector that is spread, or the constant that fills rows; another value as it is."""
        operation = self.values[value]
        if operation.name == "copy" and self.values[operation.args[0]].kind in (FIXED, CONSTANT):
            return operation.args[0]
        return value

    def spread_vector(self, value: int) -> int | None:
        """The fixed vector whose copies for each row a value is, as wide as the value; None for any other value."""
        operation = self.values[value]
        if operation.name != "copy" or operation.attr != SPREAD:
            return None
        source = self.values[operation.args[0]]
        return operation.args[0] if source.kind == FIXED and source.shape == operation.shape else None

    def reshape(self, fixed: int, shape: tuple[int, ...]) -> int:
        """A fixed value or total with another shape."""
        return fixed if self.values[fixed].shape == shape else self.fixed("reshape", (fixed,), shape, shape)

    def dot(self, rows: int, fixed: int) -> int:
        """``rows @ fixed``."""
        vector = self.spread_vector(rows)
        if vector is not None:
            (inputs, outputs) = self[fixed].shape
            product = self.fixed("matmul", (self.reshape(vector, (1, inputs)), fixed), None, (1, outputs))
            return self.spread(self.reshape(product, (outputs,)))
        return self.add(Operation("dot", (self.dense(rows), fixed), None, ROWS, (self[fixed].shape[1],)))

    def columns(self, rows: int, start: int, stop: int) -> int:
        """``rows[..., start:stop]``."""
        if (start, stop) == (0, self[rows].width):
            return rows
        if self.values[rows].name == "expand":
            (base,), (_, repeat, inner) = self.values[rows].args, self.values[rows].attr
            if start % (repeat * inner) == stop % (repeat * inner) == 0:
                return self.expand(self.columns(base, start // repeat, stop // repeat), repeat, inner)
            rows = self.dense(rows)
        vector = self.spread_vector(rows)
        if vector is not None:
            return self.spread(self.slice(vector, start, stop, 0))
        return self.add(Operation("columns", (rows,), (start, stop), ROWS, (stop - start,), self[rows].boolean))

    def join(self, *rows: int) -> int:
        """Rows concatenated along the last axis."""
        if len(rows) == 1:
            return rows[0]
        vectors = [self.spread_vector(r) for r in rows] if "copy" in self._names else [None]
        if None not in vectors:
            return self.spread(self.concatenate(tuple([v for v in vectors if v is not None]), 0))
        rows = tuple([self.dense(r) for r in rows])
        return self.add(Operation("join", rows, None, ROWS, (sum(self[r].width for r in rows),), self[rows[0]].boolean))

    def reduce(self, name: str, rows: int) -> int:
        """A ufunc's reduction over the last axis, which is kept with length 1."""
        vector = self.spread_vector(rows)
        if vector is not None and name == "add":
            return self.spread(self.fixed("sum", (vector,), (None, True), (1,)))
        return self.add(Operation("reduce", (self.dense(rows),), name, ROWS, (1,)))

    def outer(self, a: int, b: int) -> int:
        """``a.T @ b``, summed over the rows."""
        left, right = self.spread_vector(a), self.spread_vector(b)
        shape = (self[a].width, self[b].width)
        if left is not None:
            factors = (self.reshape(left, (shape[0], 1)), self.reshape(self.rowsum(b), (1, shape[1])))
            return self.fixed("matmul", factors, None, shape)
        if right is not None:
            factors = (self.reshape(self.rowsum(a), (shape[0], 1)), self.reshape(right, (1, shape[1])))
            return self.fixed("matmul", factors, None, shape)
        a, b = self.dense(a), self.dense(b)
        return self.add(Operation("outer", (a, b), None, TOTAL, (self[a].width, self[b].width)))

    def rowsum(self, a: int) -> int:
        """``a.sum(0)``."""
        return self.add(Operation("rowsum", (self.dense(a),), None, TOTAL, (self[a].width,)))

    # ------------------------------------------------------------------ inner axes
    def expand(self, rows: int, repeat: int, inner: int) -> int:
        """Units ``(outer, inner)`` as ``(outer, repeat, inner)``: each run of ``inner`` units ``repeat`` times.

        ``outer`` follows from the width. The value has no storage: elementwise operations read the operand.
        """
        if repeat == 1:
            return rows
        operation = self.values[rows]
        width = operation.width
        if operation.name == "expand":
            _, before, below = operation.attr
            if inner in (below, before * below):
                return self.expand(operation.args[0], before * repeat, below)
            rows = self.dense(rows)
        attr = (width // inner, repeat, inner)
        return self.add(Operation("expand", (rows,), attr, ROWS, (width * repeat,), operation.boolean))

    def dense(self, rows: int) -> int:
        """A value with storage of its own: a copy of one that is expanded."""
        return self.copy(rows, key=DENSE) if self.values[rows].name == "expand" else rows

    def _narrow(self, name: str, args: tuple[int, ...]) -> int | None:
        """A ufunc of values that are expanded alike, as the expansion of a ufunc; None for other operands."""
        expanded = [self.values[a] for a in args if self.values[a].kind != CONSTANT]
        first = expanded[0]
        if any(o.name != "expand" or o.attr != first.attr for o in expanded):
            return None
        own = [a if self.values[a].kind == CONSTANT else self.values[a].args[0] for a in args]
        return self.expand(self.ufunc(name, *own), *first.attr[1:])

    def reduce_axis(self, name: str, rows: int, count: int, inner: int) -> int:
        """A ufunc's reduction of units ``(outer, count, inner)`` over the axis in the middle: ``(outer, inner)``."""
        width = self.values[rows].width
        if count == 1:
            return rows
        if count == width:
            return self.reduce(name, rows)
        attr = (name, width // (count * inner), count, inner)
        vector = self.spread_vector(rows)
        if vector is not None and name == "add":
            total = self.fixed("sum", (self.reshape(vector, attr[1:]),), (1, False), (attr[1], inner))
            return self.spread(self.reshape(total, (width // count,)))
        return self.add(Operation("reduce_axis", (self.dense(rows),), attr, ROWS, (width // count,)))

    def permute(self, rows: int, shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
        """Units ``shape`` with their axes in another order; neighbours that stay neighbours become one axis."""
        present = [a for a in range(len(shape)) if shape[a] != 1]
        runs: list[list[int]] = []
        for axis in [present.index(a) for a in axes if shape[a] != 1]:
            if runs and axis == runs[-1][-1] + 1:
                runs[-1].append(axis)
            else:
                runs.append([axis])
        if len(runs) < 2:
            return rows
        order = sorted(range(len(runs)), key=lambda i: runs[i][0])
        sizes = tuple(math.prod(shape[present[a]] for a in runs[i]) for i in order)
        places = tuple(order.index(i) for i in range(len(runs)))
        operation = self.values[rows]
        if operation.name == "permute":
            before_sizes, before_axes = operation.attr
            if tuple(before_sizes[a] for a in before_axes) == sizes:
                return self.permute(operation.args[0], before_sizes, tuple(before_axes[a] for a in places))
        attr = (sizes, places)
        vector = self.spread_vector(rows)
        if vector is not None:
            turned = tuple(sizes[p] for p in places)
            vector = self.fixed("transpose", (self.reshape(vector, sizes),), places, turned)
            return self.spread(self.reshape(vector, operation.shape))
        return self.add(Operation("permute", (self.dense(rows),), attr, ROWS, operation.shape, operation.boolean))

    def fixed(self, name: str, args: tuple[int, ...], attr: Any, shape: tuple[int, ...]) -> int:
        """An operation on fixed values or totals."""
        kind = TOTAL if any(self[a].kind == TOTAL for a in args) else FIXED
        return self.add(Operation(name, args, attr, kind, shape))

    def slice(self, fixed: int, start: int, stop: int, axis: int) -> int:
        """A slice of a fixed value or total along one axis."""
        shape = self[fixed].shape
        if (start, stop) == (0, shape[axis]):
            return fixed
        index = (*[(None, None, None)] * axis, (start, stop, None))
        return self.fixed("part", (fixed,), index, (*shape[:axis], stop - start, *shape[axis + 1 :]))

    def concatenate(self, parts: tuple[int, ...], axis: int) -> int:
        """Fixed values or totals concatenated along one axis."""
        if len(parts) == 1:
            return parts[0]
        shapes = [self[p].shape for p in parts]
        total = sum(s[axis] for s in shapes)
        return self.fixed("concatenate", parts, axis, (*shapes[0][:axis], total, *shapes[0][axis + 1 :]))

    # ------------------------------------------------------------------ query
    def users(self) -> list[list[int]]:
        """For each value, the values that it is an operand of."""
        users: list[list[int]] = [[] for _ in self.values]
        for number, operation in enumerate(self.values):
            for arg in set(operation.args):
                users[arg].append(number)
        return users

    def use_counts(self) -> list[int]:
        """For each value, how many operands of live values and how many roles it is."""
        counts = [0] * len(self.values)
        for number in self.live():
            for arg in self.values[number].args:
                counts[arg] += 1
        for value in self.roles.all():
            counts[value] += 1
        return counts

    def base(self, value: int) -> int:
        """The value itself, or the one whose storage it reads: whose columns it is, or that it repeats."""
        while self.values[value].name in VIEWS:
            value = self.values[value].args[0]
        return value

    def analysis(self, name: str, compute: Callable[[], Any]) -> Any:
        """What an analysis of this trace finds, computed again only after values are added or the roles replaced."""
        kept = self._analyses.get(name)
        if kept is None or kept[0] != len(self.values) or kept[1] is not self.roles:
            kept = self._analyses[name] = (len(self.values), self.roles, compute())
        return kept[2]

    def time_invariant(self) -> frozenset[int]:
        """Values of rows that are the same at every step and have no time axis: contexts and what depends on them only.

        Copies have a time axis.
        """
        found: frozenset[int] = self.analysis("time_invariant", self._time_invariant)
        return found

    def _time_invariant(self) -> frozenset[int]:
        invariant: set[int] = set()
        values = self.values
        for number, operation in enumerate(values):
            if operation.kind != ROWS or operation.name in TIMED_LEAVES or operation.name == "copy":
                continue
            for arg in operation.args:
                if arg not in invariant and values[arg].kind == ROWS:
                    break
            else:
                invariant.add(number)
        return frozenset(invariant)

    def ancestors(self, values: Iterable[int]) -> set[int]:
        """The values and everything that they depend on."""
        operations, reached = self.values, set(values)
        stack = list(reached)
        while stack:
            for arg in operations[stack.pop()].args:
                if arg not in reached:
                    reached.add(arg)
                    stack.append(arg)
        return reached

    def live(self) -> frozenset[int]:
        """Values that a role depends on."""
        found: frozenset[int] = self.analysis("live", lambda: frozenset(self.ancestors(self.roles.all())))
        return found

    def has(self, *names: str) -> bool:
        """Whether any operation has one of these names."""
        return not self._names.isdisjoint(names)

    def depends_on(self, names: Iterable[str]) -> list[bool]:
        """For each value, whether it depends on a leaf with one of these names."""
        leaves = frozenset(names)
        if not self.has(*leaves):
            return [False] * len(self.values)
        dependent: list[bool] = []
        for operation in self.values:
            depends = operation.name in leaves
            for arg in () if depends else operation.args:
                if dependent[arg]:
                    depends = True
                    break
            dependent.append(depends)
        return dependent

    def rewrite(self, build: Callable[[Trace, Operation, tuple[int, ...], int], int]) -> Trace:
        """Return a new trace in which each live value is ``build(new, operation, new arguments, old number)``."""
        new = Trace()
        live = self.live()
        mapping: dict[int, int] = {}
        for number, operation in enumerate(self.values):
            if number in live:
                new.path = self.paths[number]
                mapping[number] = build(new, operation, tuple([mapping[a] for a in operation.args]), number)
        new.roles = self.roles.map(mapping.__getitem__)
        return new


def operands_first(
    item: _Item, operands: Callable[[_Item], Iterable[_Item]], known: Container[_Item]
) -> Iterator[_Item]:
    """What an item needs and that is not known, operands first, the item last; the caller makes each known.

    Without recursion: a chain of operations may be longer than Python's stack.
    """
    stack = [item]
    while stack:
        last = stack[-1]
        needed = [] if last in known else [o for o in operands(last) if o not in known]
        if needed:
            stack += reversed(needed)
        else:
            stack.pop()
            if last not in known:
                yield last


def rebuild(new: Trace, operation: Operation, args: tuple[int, ...]) -> int:
    """Add an operation unchanged, on new operands."""
    if args == operation.args:
        return new.add(operation)
    o = operation
    return new.add(Operation(o.name, args, o.attr, o.kind, o.shape, o.boolean))
