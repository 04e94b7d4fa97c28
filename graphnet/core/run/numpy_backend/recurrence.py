"""A linear recurrence of a Scan as one operation over all steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core import recurrences
from graphnet.core.compile.recurrences.split import ONCE, ROWS, Recurrence
from graphnet.core.describe.parameter import Array
from graphnet.core.operations import Operations
from graphnet.core.recurrences import Decay, Order, Read
from graphnet.core.run.padding import RowEnds
from graphnet.core.run.row_masks import add


@dataclass(slots=True)
class Frame:
    """The states of one pass.

    Attributes
    ----------
    ends : RowEnds or None
    order : Order
    initial : list of array or None
        Of each state; None for zeros.
    final : list of array or None
    errors : list of array or None
        Those of the final states, then, once they are known, of the initial ones.
    """

    ends: RowEnds | None
    order: Order
    initial: list[Array | None]
    final: list[Array | None]
    errors: list[Array | None] = field(default_factory=list)


class BoundRecurrence:
    """A recurrence, bound.

    Parameters
    ----------
    step : Recurrence
    shapes : list of tuple of int
        Of each slot without its rows.
    stages : list of int
        For how many rows each slot is computed.
    needs : list of bool
        Which slots need an error.
    size : (int, int)
        Steps and rows.
    inner : tuple of int
        The shape of a state without its rows.
    """

    def __init__(
        self,
        step: Recurrence,
        shapes: Sequence[tuple[int, ...]],
        stages: Sequence[int],
        needs: Sequence[bool],
        size: tuple[int, int],
        inner: tuple[int, ...],
        dtype: str,
        operations: Operations,
    ) -> None:
        self.step, self.shapes, self.stages, self.size = step, shapes, stages, size
        self.inner, self.dtype, self.operations = inner, np.dtype(dtype), operations
        self.wanted = {name: isinstance(o, int) and needs[o] for name, o in step.operands.items()}

    # ------------------------------------------------------------------ arrays as the operations take them
    def taken(self, values: Sequence[Any], operand: int | float, rank: int) -> Array:
        """An operand as ``(batch or 1, steps or 1, …)``."""
        if isinstance(operand, float):
            return np.full((1,) * rank, operand, self.dtype)
        return self.batch_first(values[operand], operand)

    def batch_first(self, array: Array, slot: int) -> Array:
        """A value of a slot, or its error, likewise."""
        stage = self.stages[slot]
        if stage == ONCE:
            return array[None]
        if stage == ROWS:
            return array[:, None]
        return array.reshape(*self.size, *self.shapes[slot]).swapaxes(0, 1)

    def rows(self, array: Array, slot: int) -> Array:
        """The opposite."""
        stage = self.stages[slot]
        if stage <= ROWS:
            return array[0] if stage == ONCE else array[:, 0]
        rows: Array = array.swapaxes(0, 1).reshape(-1, *self.shapes[slot])
        return rows

    def rows_of(self, slot: int) -> int:
        """The number of rows of a slot."""
        steps, batch = self.size
        return (1, batch, steps * batch)[self.stages[slot]]

    def result(self, array: Array, frame: Frame, slot: int) -> Array:
        """A result by rows; beyond the ends of rows it repeats their last steps."""
        array = array.swapaxes(0, 1)
        if frame.ends is not None:
            array = frame.ends.repeated(array)
        rows: Array = array.reshape(-1, *self.shapes[slot])
        return rows

    def whole(self, array: Array) -> Array:
        """An argument with the whole batch and all steps."""
        steps, batch = self.size
        if array.shape == (batch, steps, *self.inner):
            return array
        return np.broadcast_to(array.swapaxes(0, 1), (steps, batch, *self.inner)).copy().swapaxes(0, 1)

    def given(self, errors: Sequence[Any], slot: int | None) -> Array | None:
        """The error of a result."""
        if slot is None or errors[slot] is None:
            return None
        return self.batch_first(errors[slot], slot)

    def add_operand(self, errors: list[Any], name: str, error: Array | None) -> None:
        """Add to the error of an operand, which may have been repeated."""
        operand = self.step.operands.get(name)
        if error is None or not isinstance(operand, int) or not self.wanted[name]:
            return
        self.add_slot(errors, operand, error)

    def add_slot(self, errors: list[Any], slot: int, error: Array) -> None:
        """Add to the error of a slot."""
        steps, batch = self.size
        shape = (batch if self.stages[slot] else 1, steps if self.stages[slot] > ROWS else 1, *self.shapes[slot])
        if error.shape != shape:
            axes = tuple(i for i, (n, m) in enumerate(zip(error.shape, shape, strict=True)) if m == 1 and n != 1)
            error = error.sum(axis=axes, keepdims=True)
        add(errors, slot, self.rows(error, slot))

    # ------------------------------------------------------------------ running
    def forward(self, values: list[Any], frame: Frame) -> Any:
        """Fill the slots of its results and the final states."""
        raise NotImplementedError

    def backward(self, saved: Any, errors: list[Any], frame: Frame) -> None:
        """Add to the errors of operands and initial states."""
        raise NotImplementedError


class Elementwise(BoundRecurrence):
    """Diagonal recurrences, pairs of states, and those of the larger of two values."""

    def forward(self, values: list[Any], frame: Frame) -> Any:
        step, rank = self.step, 2 + len(self.inner)
        given = {name: self.taken(values, o, rank) for name, o in step.operands.items()}
        first = step.states[0]
        if step.kind == "diagonal":
            made: Any = recurrences.diagonal(
                given["a"], self.whole(given["b"]), frame.initial[first], frame.order, self.operations
            )
        elif step.kind == "max_plus":
            made = recurrences.max_plus(
                given["f"], self.whole(given["i"]), frame.initial[first], frame.order, self.operations
            )
        else:
            made = self._two(given, frame)
        several = len(step.states) > 1
        for results, slots in ((made.after, step.after), (made.before, step.before)):
            for result, slot in zip(results if several else (results,), slots, strict=True):
                if slot is not None:
                    values[slot] = self.result(result, frame, slot)
        for state, final in zip(step.states, made.final if several else (made.final,), strict=True):
            frame.final[state] = final
        return made

    def _two(self, given: dict[str, Array], frame: Frame) -> Any:
        zeros = np.zeros((1,) * (2 + len(self.inner)), self.dtype)
        added = (self.whole(given.get("b", zeros)), self.whole(given.get("c", zeros)))
        x, y = (frame.initial[s] for s in self.step.states)
        initial = None
        if x is not None or y is not None:
            empty = np.zeros((1, *self.inner), self.dtype)
            initial = (empty if x is None else x, empty if y is None else y)
        if self.step.kind == "rotation":
            return recurrences.rotation(given["real"], given["imaginary"], added, initial, frame.order, self.operations)
        matrix = (given.get("xx"), given.get("xy"), given.get("yx"), given.get("yy"))
        return recurrences.pair(matrix, added, initial, frame.order, self.operations)

    def backward(self, saved: Any, errors: list[Any], frame: Frame) -> None:
        step = self.step
        after = [self.given(errors, slot) for slot in step.after]
        before = [self.given(errors, slot) for slot in step.before]
        final = [frame.errors[s] for s in step.states]
        for s in step.states:
            frame.errors[s] = None
        if all(e is None for e in (*after, *before, *final)):
            return
        if len(step.states) > 1:
            self._backward_two(saved, errors, frame, after, before, final)
            return
        names = ("a", "b") if step.kind == "diagonal" else ("f", "i")
        without = [name for name in names if not self.wanted[name]]
        found = saved.pull(after[0], before[0], final[0], without=without)
        for name in names:
            self.add_operand(errors, name, getattr(found, name))
        frame.errors[step.states[0]] = found.initial

    def _backward_two(
        self, saved: Any, errors: list[Any], frame: Frame, after: list[Any], before: list[Any], final: list[Any]
    ) -> None:
        step = self.step
        matrix = ("real", "imaginary") if step.kind == "rotation" else ("xx", "xy", "yx", "yy")
        found = saved.pull(tuple(after), tuple(before), tuple(final))
        for name, error in zip((*matrix, "b", "c"), (*found.matrix, *found.added), strict=True):
            self.add_operand(errors, name, error)
        for s, error in zip(step.states, found.initial, strict=True):
            if frame.initial[s] is not None:
                frame.errors[s] = error


class Matrix(BoundRecurrence):
    """A matrix state that products of vectors change, read by products with vectors."""

    VECTORS = ("keys", "values", "u", "w", "p")

    def forward(self, values: list[Any], frame: Frame) -> Any:
        step, axes, rank = self.step, self.step.axes, 1 + len(self.inner)
        assert axes is not None
        given = {name: self.taken(values, o, rank) for name, o in step.operands.items() if name in self.VECTORS}
        form = self._decay(values)
        queries = [Read(self.batch_first(values[query], query), before) for query, before, _ in step.reads]
        state = step.states[0]
        entering = frame.initial[state]
        initial = None if entering is None else entering.transpose(axes.order)
        if step.kind == "outer":
            made = recurrences.outer(
                given["keys"], given["values"], queries, form, initial, frame.order, self.operations
            )
        else:
            made = recurrences.delta(
                *(given["u"], given["p"], given.get("w"), queries, form, initial, frame.order, self.operations),
                keys=given.get("keys"),
                values=given.get("values"),
            )
        for output, (_, _, slot) in zip(made.outputs, step.reads, strict=True):
            values[slot] = self.result(output, frame, slot)
        frame.final[state] = made.final.transpose(np.argsort(axes.order))
        return made

    def _decay(self, values: list[Any]) -> Decay | None:
        """The decay, in the form in which it is known."""
        names = {"decay": "values", "logs": "logs", "scale": "scale"}
        found = {
            names[name]: self.taken(values, operand, 2 + len(self.inner))
            for name, operand in self.step.operands.items()
            if name in names
        }
        if "scale" in found:
            found["scale"] = found["scale"][0, 0]  # the same in every row
        return Decay(**found) if found else None

    def backward(self, saved: Any, errors: list[Any], frame: Frame) -> None:
        step, axes = self.step, self.step.axes
        assert axes is not None
        outputs = [self.given(errors, slot) for _, _, slot in step.reads]
        state = step.states[0]
        final, frame.errors[state] = frame.errors[state], None
        if final is None and all(e is None for e in outputs):
            return
        final = None if final is None else final.transpose(axes.order)
        without = [] if any(self.wanted.get(name) for name in ("decay", "logs", "scale")) else ["decay"]
        found = saved.pull(outputs, final, without=without)
        for name in self.VECTORS:
            self.add_operand(errors, name, getattr(found, name))
        self.add_operand(errors, "decay", found.decay.values)
        self.add_operand(errors, "logs", found.decay.logs)
        scale = step.operands.get("scale")
        if isinstance(scale, int) and found.decay.scale is not None:
            error = np.zeros((self.rows_of(scale), *self.shapes[scale]), self.dtype)
            error[0] = found.decay.scale
            add(errors, scale, error)
        for error, (query, _, _) in zip(found.queries, step.reads, strict=True):
            if error is not None:
                self.add_slot(errors, query, error)
        if found.initial is not None:
            frame.errors[state] = found.initial.transpose(np.argsort(axes.order))
