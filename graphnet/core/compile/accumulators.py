"""Weight gradients as sums over rows and steps: as few products as the layout of their operands allows.

``x.T @ e`` and ``h.T @ e`` become one accumulator if ``x`` and ``h`` are neighbours, and its rows are the two
gradients. Gradients that are a rectangle of an accumulator are slices of it, not copies. Costs one walk over the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from graphnet.core.compile.assignment import BufferAssignment
from graphnet.core.compile.passes.layout import merge_slices, runs
from graphnet.core.compile.program import (
    BACKWARD,
    Accumulator,
    AccumulatorSlice,
    AccumulatorTerm,
    BufferSlice,
    Expression,
    Operand,
)
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, TOTAL, operands_first

#: The left operand of some sums (None for sums of rows), and their values.
Left = tuple[Operand | None, list[int]]


class Accumulators:
    """The accumulators of one trace.

    Attributes
    ----------
    accumulators : list of Accumulator
    slices : dict
        The slice of an accumulator that each sum is, by value.
    """

    def __init__(self, assignment: BufferAssignment) -> None:
        self.trace, self.assignment = assignment.trace, assignment
        self.accumulators: list[Accumulator] = []
        self.slices: dict[int, AccumulatorSlice] = {}
        for rights, lefts in self._by_right().items():
            self._stack(rights, lefts)

    def _by_right(self) -> dict[tuple[Operand, ...], list[Left]]:
        """The sums by their right operands; those of one left operand that are neighbours belong together."""
        phase = BACKWARD[-1]
        by_left: dict[int | None, list[int]] = {}
        for value, operation in enumerate(self.trace.values):
            if operation.name in ("outer", "rowsum") and self.assignment.phase_of[value] != "unused":
                by_left.setdefault(operation.args[0] if operation.name == "outer" else None, []).append(value)
        by_right: dict[tuple[Operand, ...], list[Left]] = {}
        for left, values in by_left.items():
            right = {v: self.assignment.operand(self.trace[v].args[-1], phase) for v in values}
            chains = {v: (operand,) for v, operand in right.items() if isinstance(operand, BufferSlice)}
            external = [[v] for v in values if v not in chains]
            operand = None if left is None else self.assignment.operand(left, phase)
            for run in [*runs(list(chains), chains), *external]:
                by_right.setdefault(tuple(right[v] for v in run), []).append((operand, run))
        return by_right

    def _stack(self, rights: tuple[Operand, ...], lefts: list[Left]) -> None:
        """Add the accumulator of one right side, with one term for each run of neighbouring left operands."""
        right = merge_slices([r for r in rights if isinstance(r, BufferSlice)]) if len(rights) > 1 else rights[0]
        chains = {i: (left,) for i, (left, _) in enumerate(lefts) if isinstance(left, BufferSlice)}
        others = [[i] for i in range(len(lefts)) if i not in chains]
        blocks = sorted([*runs(list(chains), chains), *others], key=lambda b: (lefts[b[0]][0] is None, min(b)))
        number, row, terms = len(self.accumulators), 0, []
        for block in blocks:
            first = row
            for i in block:
                left, values = lefts[i]
                column, height = 0, 1 if left is None else self.trace[values[0]].shape[0]
                for value in values:
                    width = self.trace[value].shape[-1]
                    self.slices[value] = AccumulatorSlice(number, (row, row + height), (column, column + width))
                    column += width
                row += height
            operand = lefts[block[0]][0] if len(block) == 1 else merge_slices([chains[i][0] for i in block])
            terms.append(AccumulatorTerm(operand, (first, row)))
        self.accumulators.append(Accumulator(right, tuple(terms), column))

    # ------------------------------------------------------------------ gradients
    def gradients(self, expression_of: Callable[[int], int]) -> tuple[tuple[Expression, ...], dict[int, int]]:
        """Return what is computed from the sums after the last step, and the expression of each value.

        ``expression_of`` returns the number of the program's expression of a value computed from weights.
        """
        expressions: list[Expression] = []
        numbers: dict[int, int] = {}

        def operands(value: int) -> tuple[int, ...]:
            operation = self.trace[value]
            leaf = operation.kind in (CONSTANT, FIXED) or self.slice_of(value) is not None
            return () if leaf else operation.args

        def expression(value: int) -> Expression:
            operation = self.trace[value]
            part = self.slice_of(value)
            if part is not None:
                return Expression("accumulator slice", (), part, operation.shape)
            if operation.kind == CONSTANT:
                return Expression("constant", (), operation.attr, ())
            if operation.kind == FIXED:
                return Expression("fixed", (expression_of(value),), None, ())
            args = tuple([numbers[a] for a in operation.args])
            return Expression(operation.name, args, operation.attr, operation.shape)

        for gradient in self.trace.roles.gradients.values():
            for value in operands_first(gradient, operands, numbers):
                expressions.append(expression(value))
                numbers[value] = len(expressions) - 1
        return tuple(expressions), numbers

    def slice_of(self, value: int) -> AccumulatorSlice | None:
        """The slice of an accumulator that a total is: a sum, a row, or neighbours below each other; else None."""
        if value in self.slices:
            return self.slices[value]
        operation = self.trace[value]
        if operation.name == "reshape":
            return self._row(value)
        if operation.name == "concatenate" and operation.attr == 0:
            return _stacked([self.slice_of(a) for a in operation.args])
        return None

    def _row(self, value: int) -> AccumulatorSlice | None:
        """The slice of a total that is reshaped from or to a single row."""
        operation = self.trace[value]
        part = self.slice_of(operation.args[0]) if operation.kind == TOTAL else None
        if part is None or part.rows[1] - part.rows[0] != 1:
            return None
        width = part.columns[1] - part.columns[0]
        vector = operation.shape == (width,) and operation.args[0] in self.slices
        return part if vector or operation.shape == (1, width) else None


def _stacked(parts: Sequence[AccumulatorSlice | None]) -> AccumulatorSlice | None:
    """Slices below each other as one; None if they are not."""
    first, last = parts[0], parts[-1]
    for above, below in pairwise(parts):
        if above is None or below is None or above.rows[1] != below.rows[0]:
            return None
        if (above.accumulator, above.columns) != (below.accumulator, below.columns):
            return None
    if first is None or last is None:
        return None
    return AccumulatorSlice(first.accumulator, (first.rows[0], last.rows[1]), first.columns)
