"""The plan of a cell, forward and backward: plain data. No arrays, no times, no batch sizes, no callables.

A *place* is a range of units in a buffer, at the step that is being made (``shift`` 0) or where the next step will look
for it (1). A *step* makes the numbers of one place from others. What a native backend needs to run a whole Scan is
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphnet.core.compile.passes.phases import BACK_LOOP, LOOP

#: Buffers hold ``(units, batch)`` numbers: once a run, once and again for each step, two in turn (carried errors),
#: for each step of a block, for each step.
STATIC_BUFFER, STEP_BUFFER, RING_BUFFER, BLOCK_BUFFER, FULL_BUFFER = "static", "step", "ring", "block", "full"


@dataclass(frozen=True, slots=True)
class Buffer:
    """Units, how they last, and whether they are truth values; ``ahead`` when some are written for the next step."""

    kind: str
    units: int
    boolean: bool = False
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Units ``start`` to ``stop`` of a buffer."""

    buffer: int
    start: int
    stop: int
    shift: int = 0

    @property
    def width(self) -> int:
        """How many units."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Given:
    """An array that the run was given, rows first: a sequence or the error of an emitted output, by its position."""

    name: str
    index: int
    width: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A pack, by its number."""

    pack: int


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


Operand = Place | Given | Packed | Number


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value made once a run: a weight (``attr`` is its layer's path and name), or an operation on others."""

    name: str
    args: tuple[int, ...]
    attr: Any
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """Fixed values put together for one call, numbers of the list of fixed values.

    ``product``: matrices (inputs, outputs), so many below each other for each of the results that lie side by side.
    ``units``: vectors one after the other.
    """

    form: str
    parts: tuple[int, ...]
    deep: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """``output = name(operands)``. ``add``: the product is added to what is there."""

    phase: str
    name: str
    output: Place | Given
    operands: tuple[Operand, ...]
    attr: object = None
    add: bool = False
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of a sink, first to before second: ``left.T @ right``; without ``left`` the sum of ``right``."""

    left: Operand | None
    rows: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sink:
    """Sums over rows and steps with one right side, below each other in one array ``(rows, columns)``."""

    right: Operand
    sections: tuple[Section, ...]
    columns: int

    @property
    def rows(self) -> int:
        """Rows of the array."""
        return self.sections[-1].rows[1]


@dataclass(frozen=True, slots=True)
class Part:
    """Part of the result of a sink: the rows and columns from the first to before the second."""

    sink: int
    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Program:
    """Everything about one cell.

    ``delicate`` says whether it may fail on finite numbers; see :mod:`graphnet.core.compile.delicate`.
    """

    buffers: tuple[Buffer, ...]
    fixed: tuple[Fixed, ...]
    packs: tuple[Pack, ...]
    steps: tuple[Step, ...]
    sinks: tuple[Sink, ...]
    staged: tuple[tuple[str, Any, Place, str], ...]
    emitted: tuple[Place, ...]
    states: tuple[Place, ...]
    carried: tuple[Place, ...]
    sequence_errors: tuple[Place | Given | None, ...]
    context_errors: tuple[Place | None, ...]
    totals: tuple[Fixed, ...] = ()
    gradients: tuple[tuple[tuple[str, str], int], ...] = ()
    delicate: bool = False

    @property
    def calls(self) -> int:
        """Calls a step in the loops, forward and backward."""
        return sum(step.phase in (LOOP, BACK_LOOP) for step in self.steps)

    def written(self) -> Iterator[tuple[str, Place]]:
        """Every place that is written, with the phase in which it is."""
        for step in self.steps:
            if isinstance(step.output, Place):
                yield step.phase, step.output
        for _, _, place, phase in self.staged:
            yield phase, place
        for place in self.states:
            yield LOOP, place
