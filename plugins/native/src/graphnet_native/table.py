"""The table of addresses through which compiled functions reach the arrays of a pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphnet.core.compile.program import ExternalArray, Program
from graphnet_native import sources


@dataclass(frozen=True, slots=True)
class Table:
    """Which entry of the table, each of 8 bytes, has what.

    In this order: buffers, packs, external arrays, their copies with units first, outputs, accumulators, the arrays
    that packs are filled from, working space, and the single entries below.
    """

    buffers: int
    packs: int
    externals: tuple[ExternalArray, ...]
    outputs: int
    accumulators: int
    sources: int

    @classmethod
    def of(cls, program: Program) -> Table:
        """The table of a program."""
        external = tuple(dict.fromkeys(external_arrays(program)))
        filled = len(sources.plan(program).sources)
        outputs, accumulators = len(program.emitted), len(program.accumulators)
        return cls(len(program.buffers), len(program.packs), external, outputs, accumulators, filled)

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

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.batch + 1


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
