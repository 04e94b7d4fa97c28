"""How the work of a program is divided among the workers of a team, and where they must wait for each other.

Units are divided, never sums: each number is computed by one worker, by the same instructions in the same order as by
a single thread, so the bits do not depend on the number of workers. A width that is a multiple of the program's *piece*
(the hidden units of a cell) is divided piece by piece, so that a worker that computes some units of one gate computes
the same units of the others, and needs no number of another worker until the next product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from graphnet.core.compile.program import (
    BACK_LOOP,
    BLOCK_BUFFER,
    FULL_BUFFER,
    LOOP,
    RING_BUFFER,
    BufferSlice,
    Expanded,
    ExternalArray,
    Instruction,
    Program,
)
from graphnet.core.records import record
from graphnet_native.products import Tiles

#: Operations that read units of other workers.
APART = frozenset(("dot", "reduce", "reduce_axis", "permute"))
#: Widths below this one are not pieces.
NARROW = 16


@record
class Partition:
    """Pieces and the multiples of units that a worker gets.

    Attributes
    ----------
    piece : int
        The units of a piece; 0 where each width is one piece.
    grain : int
        Shares are multiples of it: the rows of a panel, or the columns of a tile.
    """

    piece: int
    grain: int

    def of(self, width: int) -> int:
        """The units of the pieces of a width."""
        return self.piece if self.piece and width % self.piece == 0 else width

    def pieces(self, width: int) -> int:
        """The number of pieces of a width."""
        return width // self.of(width) if width else 0

    def padded(self, width: int) -> int:
        """The rows of the panels of a width, each piece of which begins a panel."""
        return self.pieces(width) * -(-self.of(width) // self.grain) * self.grain


def piece_of(program: Program) -> int:
    """The width that most instructions in the loops have, 0 if there are none."""
    found = Counter(
        i.output.width
        for i in program.instructions
        if i.phase in (LOOP, BACK_LOOP) and i.output.width >= NARROW
    )  # fmt: skip
    return max(found, key=lambda width: (found[width], -width), default=0)


def balanced(tiles: Tiles, piece: int, workers: int) -> Tiles:
    """Tiles with the number of rows with which the largest share of a piece is smallest; the largest such number."""

    def share(rows: int) -> int:
        panels = -(-piece // rows)
        return -(-panels // workers) * rows

    return replace(tiles, rows=min(range(tiles.rows, tiles.rows * 2 // 3 - 1, -1), key=share)) if piece else tiles


@record
class Access:
    """What the workers read or write of one operand together.

    ``owner`` is the piece and where it begins; None where each worker reads all.
    """

    operand: BufferSlice | ExternalArray
    owner: tuple[int, int] | None
    writes: bool
    step: int = 0


def accesses(partition: Partition, group: Sequence[Instruction]) -> Iterator[Access]:
    """The accesses of instructions that run together."""
    for instruction in group:
        output = instruction.output
        width = output.width
        yield _owned(partition, output, width, True)
        for operand in instruction.operands:
            if isinstance(operand, Expanded):
                yield Access(operand.source, None, False)
            elif isinstance(operand, (BufferSlice, ExternalArray)):
                shared = instruction.name in APART or operand.width != width
                yield Access(operand, None, False) if shared else _owned(partition, operand, width, False)


def kept(partition: Partition, states: Sequence[BufferSlice]) -> list[Access]:
    """The accesses where states are left as they were."""
    found = []
    for state in states:
        found.append(_owned(partition, state, state.width, True))
        found.append(_owned(partition, replace(state, shift=0), state.width, False))
    return found


def _owned(partition: Partition, operand: BufferSlice | ExternalArray, width: int, writes: bool) -> Access:
    piece = partition.of(width)
    start = operand.start if isinstance(operand, BufferSlice) else 0
    return Access(operand, (piece, start % piece), writes)


def barriers(program: Program, groups: Sequence[Sequence[Access]], direction: int = 0) -> frozenset[int]:
    """The groups before which the workers must meet.

    Parameters
    ----------
    program : Program
    groups : sequence of sequence of Access
        In the order in which they run.
    direction : int
        1 or -1 for a loop over steps that runs forward or backward; 0 where each group runs for all steps.
    """
    found: set[int] = set()
    while True:
        before = len(found)
        pending: list[Access] = []
        # Four steps: buffers that alternate have a period of two.
        for step in range(4 if direction else 1):
            for number, group in enumerate(groups):
                present = [replace(access, step=direction * step) for access in group]
                if number in found:
                    pending = []
                elif any(_conflict(program, a, b, bool(direction)) for a in pending for b in present):
                    found.add(number)
                    pending = []
                pending += present
        if len(found) == before:
            return frozenset(found)


def _conflict(program: Program, a: Access, b: Access, stepwise: bool) -> bool:
    """Whether two workers may meet in the same numbers, and one of them writes."""
    if not (a.writes or b.writes) or (a.owner is not None and a.owner == b.owner):
        return False
    return overlap(program, a, b, stepwise)


def overlap(program: Program, a: Access, b: Access, stepwise: bool) -> bool:
    """Whether two accesses share numbers."""
    x, y = a.operand, b.operand
    if isinstance(x, ExternalArray) or isinstance(y, ExternalArray):
        return x == y and (not stepwise or a.step == b.step)
    if x.buffer != y.buffer or x.start >= y.stop or y.start >= x.stop:
        return False
    kind, distance = program.buffers[x.buffer].kind, a.step + x.shift - b.step - y.shift
    if stepwise and kind in (BLOCK_BUFFER, FULL_BUFFER):
        return distance == 0
    if stepwise and kind == RING_BUFFER:
        # The place is step + 1 - shift, modulo 2.
        return (distance - 2 * (x.shift - y.shift)) % 2 == 0
    return True
