"""Recurrence: a cell graph, the sequences that it reads, the state that it carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphnet.core.checks import is_python_int
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer, require
from graphnet.core.describe.signatures import Ports
from graphnet.core.errors import ConfigError, GraphError, unknown

#: How the inputs of a cell are declared.
STEP = "A cell reads one step: declare its sequences and states as 'batch, feature=8', without time."


@dataclass(frozen=True, eq=False, repr=False)
class CellGraph(Graph):
    """The graph of one time step: a Graph each of whose inputs has a role.

    Parameters
    ----------
    sequences : tuple of str
        Inputs that read one step of a sequence each.
    states : tuple of str
        Inputs that read a value of the previous step: the output of the same name.
    contexts : tuple of str
        Inputs that every step reads entirely.

    Raises
    ------
    GraphError
        If an input has no role or two roles, a role has no input, or a state no next value; and as Graph.
    ShapeError
        If axis 0 of a sequence's step, or of a state, is declared as another axis than the batch.
    """

    sequences: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        place = f"cell {self.name!r}"
        roles = (*self.sequences, *self.states, *self.contexts)
        if not self.sequences:
            raise GraphError("no sequence to read", where=place, expected="at least one input as a sequence")
        for name in roles:
            if name not in self.inputs:
                problem = f"a role for {name!r}, which is not an input of the cell"
                raise unknown("input", name, self.inputs, where=place, problem=problem, error=GraphError)
        if sorted(roles) != sorted(self.inputs):
            raise GraphError(
                "every input of a cell needs exactly one role",
                where=place,
                expected=", ".join(self.inputs),
                received=", ".join(roles),
                remedy="Name each input once, among sequences, states or contexts.",
            )
        for name in (*self.sequences, *self.states):
            shape = self.inputs[name].shape
            if shape is not None:
                inner = name in self.sequences and BATCH in shape.names  # axes of a Scan inside the cell come first
                before = shape.names.index(BATCH) if inner else 0
                shape.read_as((*[TIME] * before, BATCH), f"{place}, input {name!r}", STEP)
        for name in self.states:
            if name not in self.outputs:
                raise GraphError(
                    f"state {name!r} has no next value",
                    where=place,
                    expected=f"an output of the cell named {name!r}",
                    received=", ".join(self.outputs),
                )

    def signature(self) -> tuple[Any, ...]:
        return (*super().signature(), self.sequences, self.states, self.contexts)

    @property
    def emitted(self) -> tuple[str, ...]:
        """The outputs that are not states; they become sequences."""
        return tuple(name for name in self.outputs if name not in self.states)


class Scan(Layer):
    """Run a cell graph once for every step of axis 0 of its sequences.

    With ``(y_t, s_t) = cell(x_t, s_{t-1}, context)`` for t = 1 … T, the outputs are every ``y`` as a sequence and the
    final states ``s_T``. Inputs, in order: the sequences; the initial states (each may be left out and is zeros then);
    the contexts. Outputs, in order: the cell's outputs that are not states, then the states.

    Sequences are ``(time, batch, …)``. A sequence of rank 2 whose second axis is not the batch is one sequence
    ``(time, feature)``: it is run as a batch of one, and its outputs have no batch axis either (its states keep it).

    Rows of different length: with ``lengths``, a row's state stays as it is after the row's end, its outputs are zero
    there, and so is every error; a reversed Scan starts each row at its end. What the cell computes for
    missing steps does not reach any result.

    Parameters
    ----------
    cell : CellGraph
    reverse : bool
        Go from the last step to the first.
    bptt_length : int, optional
        The gradient of the cell's weights counts their uses in the last ``bptt_length`` steps that were processed, for
        each row; None: in all. The errors for the inputs always include every step.

    Raises
    ------
    ConfigError
        If ``cell`` is not a CellGraph or ``bptt_length`` is not at least 1.
    """

    cell: CellGraph
    reverse: bool = field(default=False, kw_only=True)
    bptt_length: int | None = field(default=None, kw_only=True)

    def check(self) -> None:
        if not isinstance(self.cell, CellGraph):
            raise ConfigError("not a cell", where="Scan", expected="what Cell.build returns", received=repr(self.cell))
        k = self.bptt_length
        require(k is None or is_python_int(k, 1), self, "bptt_length", "a positive integer, or None")

    @property
    def subgraph(self) -> CellGraph:
        """The cell, under the name that composite layers have as well."""
        return self.cell

    def input_ports(self) -> Ports:
        cell = self.cell
        return Ports((*cell.sequences, *cell.states, *cell.contexts), frozenset(cell.states))

    def output_ports(self) -> tuple[str, ...]:
        return (*self.cell.emitted, *self.cell.states)
