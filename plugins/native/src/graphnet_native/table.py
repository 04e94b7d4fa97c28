"""The table of addresses through which compiled functions reach the arrays of a pass."""

from __future__ import annotations

from collections.abc import Iterator

from graphnet.core.compile.program import ExternalArray, Program
from graphnet.core.records import record
from graphnet_native import sources
from graphnet_native.sources import Packing

#: The records of the tasks of whole passes.
RECORDS = 4


@record
class Table:
    """Which entry of the table, each of 8 bytes, has what.

    In this order: buffers, packs, external arrays, their copies with units first, outputs, accumulators, the arrays
    that packs are filled from, working space, the single entries below, and what whole passes need: states, their
    errors, gradients.
    """

    buffers: int
    packs: int
    externals: tuple[ExternalArray, ...]
    outputs: int
    accumulators: int
    sources: int
    states: int
    carried: int
    gradients: int

    @classmethod
    def of(cls, program: Program, packing: Packing | None = None) -> Table:
        """The table of a program, whose packs are filled in this way."""
        external = tuple(dict.fromkeys(external_arrays(program)))
        filled = len((packing or sources.plan(program)).sources)
        outputs, accumulators = len(program.emitted), len(program.accumulators)
        whole = len(program.states), len(program.carried), len(program.gradients)
        return cls(len(program.buffers), len(program.packs), external, outputs, accumulators, filled, *whole)

    @property
    def pack(self) -> int:
        """The first pack."""
        return self.buffers

    @property
    def external(self) -> int:
        """The first external array, rows first."""
        return self.pack + self.packs

    @property
    def copy(self) -> int:
        """The first copy of an external array, units first, for the steps of a block."""
        return self.external + len(self.externals)

    @property
    def output(self) -> int:
        """The first output."""
        return self.copy + len(self.externals)

    @property
    def accumulator(self) -> int:
        """The first accumulator."""
        return self.output + self.outputs

    @property
    def source(self) -> int:
        """The first array that packs are filled from."""
        return self.accumulator + self.accumulators

    @property
    def left(self) -> int:
        """Space for the packed left side of a product."""
        return self.source + self.sources

    @property
    def right(self) -> int:
        """Space for the right side of a product, rows first."""
        return self.left + 1

    @property
    def held(self) -> int:
        """The rows that have ended, truth values of shape (steps, batch), or 0."""
        return self.right + 1

    @property
    def batch(self) -> int:
        """The number of rows."""
        return self.held + 1

    # ------------------------------------------------------------------ whole passes
    @property
    def bounds(self) -> int:
        """The first step of each block, and the number of steps: whole numbers of 8 bytes."""
        return self.batch + 1

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return self.batch + 2

    @property
    def counted(self) -> int:
        """The first step that counts in the gradients."""
        return self.batch + 3

    @property
    def mode(self) -> int:
        """The bits of the processor's floating-point mode that are set during a pass."""
        return self.batch + 4

    @property
    def initial(self) -> int:
        """The first state before the first step, rows first; 0 for zeros."""
        return self.batch + 5

    @property
    def final(self) -> int:
        """The first state after the last step, rows first; 0 if it is not wanted."""
        return self.initial + self.states

    @property
    def final_error(self) -> int:
        """The error of the first state after the last step, rows first; 0 for zeros."""
        return self.final + self.states

    @property
    def initial_error(self) -> int:
        """The error of the first state before the first step, rows first; 0 if it is not wanted."""
        return self.final_error + self.carried

    @property
    def gradient(self) -> int:
        """The first gradient; 0 if it is not wanted."""
        return self.initial_error + self.carried

    # ------------------------------------------------------------------ passes that workers share
    @property
    def team(self) -> int:
        """The team; then the address of ``team_share``, and the number of workers."""
        return self.gradient + self.gradients

    @property
    def record(self) -> int:
        """The first of the records of tasks."""
        return self.team + 3

    @property
    def calls(self) -> int:
        """The calls of a large program; see :mod:`graphnet_native.calls`."""
        return self.record + RECORDS

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.calls + 1


def external_arrays(program: Program) -> Iterator[ExternalArray]:
    """Every array of a pass that a program reads or writes besides its outputs; some more than once."""
    for name, attr, place, _ in program.staged:
        if name in ("sequence", "emitted_error"):
            yield ExternalArray(name, int(attr), place.width)
    for instruction in program.instructions:
        yield from (o for o in (instruction.output, *instruction.operands) if isinstance(o, ExternalArray))
    for accumulator in program.accumulators:
        sides = (accumulator.right, *(term.left for term in accumulator.terms))
        yield from (side for side in sides if isinstance(side, ExternalArray))
    for index, error in enumerate(program.sequence_errors):
        if error is not None:
            yield ExternalArray("sequence_error", index, error.width)
