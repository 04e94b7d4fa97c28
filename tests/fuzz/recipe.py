"""A graph as plain data: named values with widths, and operations on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Op:
    """One node: its kind, arguments, results (name and width), and parameters."""

    kind: str
    args: tuple[str | None, ...]
    outs: tuple[tuple[str, int], ...]
    params: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Body:
    """Inputs (name and width), operations in order, and outputs (name and value)."""

    inputs: tuple[tuple[str, int], ...]
    ops: tuple[Op, ...]
    outputs: tuple[tuple[str, str], ...]

    def widths(self) -> dict[str, int]:
        """The width of each value."""
        return dict([*self.inputs, *(out for op in self.ops for out in op.outs)])

    def without(self, position: int) -> Body:
        """Return the body without one operation, whose values must be unused."""
        return replace(self, ops=self.ops[:position] + self.ops[position + 1 :])

    def renamed(self, old: str, new: str) -> Body:
        """Return the body with every use of one value replaced by another."""
        ops = tuple(replace(op, args=tuple(new if a == old else a for a in op.args)) for op in self.ops)
        return replace(self, ops=ops, outputs=tuple((n, new if v == old else v) for n, v in self.outputs))


@dataclass(frozen=True)
class CellRecipe:
    """A cell: a body whose inputs are sequences, then states, then contexts; the output of a state's name is its next."""

    body: Body
    sequences: int
    states: int

    @property
    def names(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """The names of sequences, states and contexts."""
        every = tuple(name for name, _ in self.body.inputs)
        end = self.sequences + self.states
        return every[: self.sequences], every[self.sequences : end], every[end:]


@dataclass(frozen=True)
class Trial:
    """A graph and how it is run.

    ``axes`` says for each input whether it is a sequence ``(time, batch, feature)`` or rows ``(batch, feature)``;
    ``lengths`` are those of the rows (None: all steps); ``errors`` are the outputs with errors; ``passes`` are those of
    the compiler (None: all); ``single`` means float32.
    """

    graph: Body
    axes: tuple[str, ...]
    steps: int
    batch: int
    lengths: tuple[int, ...] | None
    errors: tuple[str, ...]
    passes: tuple[str, ...] | None
    train: bool
    input_errors: bool
    seed: int
    single: bool = False
