"""Which elementwise instructions one loop computes together.

Where several instructions work on parts of the same buffers, all are cut at the borders of all parts, so that what one
writes another reads whole, from a register. What a group writes several times is stored once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from graphnet.core.compile.program import BufferSlice, Expanded, Instruction, Operand, PackRef, Scalar
from graphnet_native.frame import TIMED, Frame, PackSlice
from graphnet_native.inner_axes import fit
from graphnet_native.partition import APART

#: Instructions are cut unless the vectors that they take grow by more than this factor.
MORE_VECTORS = 1.1
#: Instructions of a group, beyond which another one begins: values of longer ones leave the registers anyway.
LONGEST = 64


def groups(frame: Frame, instructions: Sequence[Instruction], stepwise: bool = False) -> list[list[Instruction]]:
    """Neighbouring instructions that one loop can compute together; every other one alone.

    ``stepwise`` says that all of them run at one step before the first runs at the next one, so that the numbers of
    different steps are different places.
    """
    found: list[list[Instruction]] = []
    for instruction in cut(frame, instructions):
        if found and _joins(frame, found[-1], instruction, stepwise):
            found[-1].append(instruction)
        else:
            found.append([instruction])
    return found


def plain(frame: Frame, instruction: Instruction) -> bool:
    """Whether every operand is a number or has the width of the result, maybe because its units are read repeatedly."""
    if instruction.name in APART:
        return False
    width = instruction.output.width
    return all(isinstance(o, Scalar) or frame.width(o) == width for o in instruction.operands)


def _joins(frame: Frame, group: list[Instruction], instruction: Instruction, stepwise: bool) -> bool:
    first = group[0]
    if len(group) >= LONGEST or not plain(frame, first) or not plain(frame, instruction):
        return False
    if first.output.width != instruction.output.width:
        return False
    if not fit([*group, instruction]):
        return False
    if not stepwise and frame.timeless(first) != frame.timeless(instruction):
        return False
    written = [each.output for each in group]
    read = [operand for each in group for operand in each.operands]

    def overlaps(a: Operand, b: Operand) -> bool:
        return _overlap(frame, a, b, stepwise)

    return not any(overlaps(a, b) for a in written for b in instruction.operands) and not any(
        overlaps(instruction.output, b) for b in (*read, *written)
    )


def _overlap(frame: Frame, a: Operand, b: Operand, stepwise: bool) -> bool:
    """Whether two operands share numbers without being one slice at one step."""
    repeated = isinstance(a, Expanded) or isinstance(b, Expanded)
    a, b = (o.source if isinstance(o, Expanded) else o for o in (a, b))
    if not isinstance(a, BufferSlice) or not isinstance(b, BufferSlice) or a.buffer != b.buffer:
        return False
    if (a.start, a.stop, a.shift) == (b.start, b.stop, b.shift) and not repeated:
        return False
    if stepwise and a.shift != b.shift and frame.program.buffers[a.buffer].kind in TIMED:
        return False
    return a.start < b.stop and b.start < a.stop


# ---------------------------------------------------------------------- cutting
def cut(frame: Frame, instructions: Sequence[Instruction]) -> list[Instruction]:
    """The instructions, cut at the borders of each other's parts where that costs few vectors."""
    divisible = [i for i in instructions if _divisible(frame, i)]
    points = _points(divisible)
    after: list[Instruction] = []
    for instruction in instructions:
        output = instruction.output
        if isinstance(output, BufferSlice) and _divisible(frame, instruction):
            ends = sorted(p for p in points[output.buffer] if output.start < p < output.stop)
            after += _parts(instruction, [output.start, *ends, output.stop])
        else:
            after.append(instruction)
    few = _vectors(frame, after) <= MORE_VECTORS * _vectors(frame, instructions)
    return after if few else list(instructions)


def _vectors(frame: Frame, instructions: Sequence[Instruction]) -> int:
    """The vectors of elementwise instructions, in the smallest batch of the program's class."""
    rows = 1 if frame.layout.rows_first else max(2, frame.lanes // 2)
    return sum(-(-i.output.width * rows // frame.lanes) for i in instructions if i.name not in APART)


def _divisible(frame: Frame, instruction: Instruction) -> bool:
    output = instruction.output
    if not isinstance(output, BufferSlice) or output.width < 2 or not plain(frame, instruction):
        return False
    if not all(isinstance(o, BufferSlice | PackRef | Scalar) for o in instruction.operands):
        return False
    moved = [o for o in instruction.operands if isinstance(o, BufferSlice) and o.buffer == output.buffer]
    return not any(o.start != output.start and o.start < output.stop and output.start < o.stop for o in moved)


def _points(instructions: Sequence[Instruction]) -> dict[int, set[int]]:
    """Where the slices of each buffer begin or end: a point of one operand is a point of the others."""
    points: dict[int, set[int]] = {}
    slices = [[o for o in (i.output, *i.operands) if isinstance(o, BufferSlice)] for i in instructions]
    for group in slices:
        for each in group:
            points.setdefault(each.buffer, set()).update((each.start, each.stop))
    grown = True
    while grown:
        grown = False
        for group in slices:
            inside = {p - o.start for o in group for p in points[o.buffer] if o.start < p < o.stop}
            for each in group:
                more = {each.start + p for p in inside} - points[each.buffer]
                points[each.buffer] |= more
                grown = grown or bool(more)
    return points


def _parts(instruction: Instruction, ends: Sequence[int]) -> Iterator[Instruction]:
    output = instruction.output
    assert isinstance(output, BufferSlice)
    for start, stop in pairwise(ends):
        first, last = start - output.start, stop - output.start
        operands = tuple(_part(o, first, last, output.width) for o in instruction.operands)
        yield replace(instruction, output=replace(output, start=start, stop=stop), operands=operands)


def _part(operand: Operand, first: int, last: int, width: int) -> Operand:
    if isinstance(operand, BufferSlice):
        return replace(operand, start=operand.start + first, stop=operand.start + last)
    if isinstance(operand, PackRef) and (first, last) != (0, width):
        return PackSlice(operand.pack, first, last)
    return operand
