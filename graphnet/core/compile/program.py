"""The compiled form of a cell or region, forward and backward. Plain data, without arrays, callables or batch sizes.

A *buffer slice* is a range of units in a buffer, at the current step (``shift`` 0) or at the next one (1). An
*instruction* computes one slice from others. A native backend needs nothing more to run a whole Scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from graphnet.core.records import record

#: Phases in execution order: SETUP and STATIC once a run, FORWARD and BACKWARD for each block of steps, FINISH last.
SETUP, STATIC = "setup", "static"
BEFORE, LOOP, AFTER = "before", "loop", "after"
BACK_BEFORE, BACK_LOOP, BACK_AFTER = "back before", "back loop", "back after"
FINISH = "finish"
FORWARD, BACKWARD = (BEFORE, LOOP, AFTER), (BACK_BEFORE, BACK_LOOP, BACK_AFTER)
PHASES = (SETUP, STATIC, *FORWARD, *BACKWARD, FINISH)

#: Lifetimes of buffers, which hold ``(units, batch)`` numbers: one array a run, one for the current step, two that
#: alternate (carried errors), one for each step of a block, one for each step.
STATIC_BUFFER, STEP_BUFFER, RING_BUFFER, BLOCK_BUFFER, FULL_BUFFER = "static", "step", "ring", "block", "full"


class InvalidProgram(Exception):
    """The compiler produced a program that would compute wrong numbers: an internal error."""


@record
class Buffer:
    """Units with one lifetime; ``ahead`` where some are written for the next step."""

    kind: str
    units: int
    boolean: bool = False
    ahead: bool = False


@record
class BufferSlice:
    """Units ``start`` to ``stop`` of a buffer."""

    buffer: int
    start: int
    stop: int
    shift: int = 0

    @property
    def width(self) -> int:
        """The number of units."""
        return self.stop - self.start


@record
class ExternalArray:
    """An array of the caller, rows first: a sequence or the error of an emitted output, by its index."""

    name: str
    index: int
    width: int


@record
class PackRef:
    """A pack, by its number."""

    pack: int


@record
class Scalar:
    """A constant."""

    value: float


@record
class Expanded:
    """Units ``(outer, inner)`` of a slice, which an elementwise instruction reads as ``(outer, repeat, inner)``."""

    source: BufferSlice
    outer: int
    repeat: int
    inner: int

    @property
    def width(self) -> int:
        """The number of units that are read."""
        return self.outer * self.repeat * self.inner

    @property
    def form(self) -> tuple[int, int, int]:
        """``(outer, repeat, inner)``."""
        return self.outer, self.repeat, self.inner


Operand = BufferSlice | Expanded | ExternalArray | PackRef | Scalar


def unit_axes(width: int, forms: Iterable[tuple[int, int, int]]) -> tuple[int, ...] | None:
    """The axes into which units are divided so that each form repeats along whole axes; None if there are none.

    Of 24 units and the forms ``(6, 4, 1)`` and ``(2, 3, 4)``: ``(2, 3, 4)``.
    """
    cuts = {1, width}
    for _, repeat, inner in forms:
        cuts |= {inner, inner * repeat}
    ordered = sorted(cuts)
    if any(b % a for a, b in pairwise(ordered)):
        return None
    return tuple([b // a for a, b in pairwise(ordered)])[::-1]


def repeated_axes(axes: Sequence[int], form: tuple[int, int, int]) -> tuple[int, ...]:
    """The axes of :func:`unit_axes` with length 1 where a form repeats."""
    _, repeat, inner = form
    sizes, below = [], 1
    for size in reversed(axes):
        sizes.append(1 if inner <= below < inner * repeat else size)
        below *= size
    return tuple(reversed(sizes))


@record
class Expression:
    """A value computed once a run: a weight (``attr`` is its layer's path and name), or an operation on others."""

    name: str
    args: tuple[int, ...]
    attr: Any
    shape: tuple[int, ...]


@record
class Pack:
    """Weight expressions, by number, packed into one array for one call.

    ``product``: matrices (inputs, outputs), stacked ``deep`` high for each result; results lie side by side.
    ``units``: vectors, concatenated.
    """

    form: str
    parts: tuple[int, ...]
    deep: int = 1


@record
class Instruction:
    """``output = name(operands)``. With ``add``, a product is added to the output.

    ``reduce`` with the attribute ``name`` reduces all units, ``reduce_axis`` with ``(name, outer, count, inner)`` the
    axis in the middle; ``permute`` with ``(shape, axes)`` copies units with their axes in another order.
    """

    phase: str
    name: str
    output: BufferSlice | ExternalArray
    operands: tuple[Operand, ...]
    attr: object = None
    add: bool = False
    paths: tuple[str, ...] = ()


@record
class AccumulatorTerm:
    """Rows ``rows[0]`` to ``rows[1]`` of an accumulator: ``left.T @ right``; without ``left`` the sum of ``right``."""

    left: Operand | None
    rows: tuple[int, int]


@record
class Accumulator:
    """Sums over rows and steps that share the right operand, stacked in one array ``(rows, columns)``."""

    right: Operand
    terms: tuple[AccumulatorTerm, ...]
    columns: int

    @property
    def rows(self) -> int:
        """Rows of the array."""
        return self.terms[-1].rows[1]


@record
class AccumulatorSlice:
    """Rows and columns of an accumulator's result, each from the first number to before the second."""

    accumulator: int
    rows: tuple[int, int]
    columns: tuple[int, int]


@record
class Program:
    """The instructions of one cell or region, and everything that they read and write.

    Attributes
    ----------
    expressions : tuple of Expression
        Computed from weights once a run.
    staged : tuple of (str, object, BufferSlice, str)
        Leaves that are copied into buffers: name, key, destination, and the phase before which that happens.
    emitted, states, carried : tuple of BufferSlice
        Outputs, next states, and errors for the states before the step.
    sequence_errors, context_errors
        Errors for the inputs; None where none is computed.
    gradient_expressions, gradients
        Computed from the accumulators after the last step; the expression of each weight's gradient.
    may_be_nonfinite : bool
        Whether finite operands can give infinities or NaN; see :mod:`graphnet.core.compile.analysis.finiteness`.
    """

    buffers: tuple[Buffer, ...]
    expressions: tuple[Expression, ...]
    packs: tuple[Pack, ...]
    instructions: tuple[Instruction, ...]
    accumulators: tuple[Accumulator, ...]
    staged: tuple[tuple[str, Any, BufferSlice, str], ...]
    emitted: tuple[BufferSlice, ...]
    states: tuple[BufferSlice, ...]
    carried: tuple[BufferSlice, ...]
    sequence_errors: tuple[BufferSlice | ExternalArray | None, ...]
    context_errors: tuple[BufferSlice | None, ...]
    gradient_expressions: tuple[Expression, ...] = ()
    gradients: tuple[tuple[tuple[str, str], int], ...] = ()
    may_be_nonfinite: bool = False

    def __hash__(self) -> int:
        # A part of it: that of every instruction of a large program takes as long as a pass of the compiler.
        some = (self.buffers[:16], self.instructions[:16], self.accumulators[:4], self.gradients[:4])
        return hash((len(self.buffers), len(self.instructions), *some))

    @property
    def calls(self) -> int:
        """Calls per step in the loops, forward and backward."""
        return sum(instruction.phase in (LOOP, BACK_LOOP) for instruction in self.instructions)

    def written(self) -> Iterator[tuple[str, BufferSlice]]:
        """Every slice that is written, with the phase that writes it."""
        for instruction in self.instructions:
            if isinstance(instruction.output, BufferSlice):
                yield instruction.phase, instruction.output
        for _, _, destination, phase in self.staged:
            yield phase, destination
        for state in self.states:
            yield LOOP, state
