"""Large programs as data: lists of calls, with one kernel for all calls of a form.

Code generation takes about a millisecond for an instruction, so a program of thousands of small ones is not emitted.
It becomes numbers: each call has the number of its kernel and the words that the kernel reads, which are entries of the
table of addresses, distances in bytes and sizes. Only the kernels are code (:mod:`graphnet_native.call_kernels`), a
few dozen for any number of instructions. A call costs some nanoseconds more than code that knows its sizes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    AFTER,
    BACK_AFTER,
    BACK_BEFORE,
    BEFORE,
    BLOCK_BUFFER,
    RING_BUFFER,
    STATIC,
    BufferSlice,
    Expanded,
    ExternalArray,
    Instruction,
    Operand,
    PackRef,
    Program,
    Scalar,
)
from graphnet.core.run.numpy_backend.pack_plan import PackPart, WeightBlock, pack_shape
from graphnet_native.frame import TIMED
from graphnet_native.packing import padded
from graphnet_native.sources import Packing
from graphnet_native.table import Table
from graphnet_native.tiles import tiles

#: The lists of calls, in the order of the header.
SECTIONS = ("pack", STATIC, BEFORE, AFTER, BACK_BEFORE, BACK_AFTER, "sums", "clear_sums", "write_gradients")
#: Words of the header for each section: where its calls begin, and how many there are.
HEADER = 2
#: Programs of fewer instructions are emitted.
MANY = 128

#: What a kernel must know of an operand: ``"scalar"``; else whether it holds truth values, and whether it has one
#: number for all units. Its words: an entry of the table, the distance of step 0 in bytes, bytes from step to step, and
#: the same again if the array has the steps of one block.
Kind = Any


def suitable(program: Program, batch: int) -> bool:
    """Whether a program may be a list of calls: many instructions, rows as steps, and no loop."""
    if batch != 1 or len(program.instructions) < MANY or program.states:
        return False
    if any(i.name in ("reduce_axis", "permute") or any(isinstance(o, Expanded) for o in i.operands)
           for i in program.instructions):  # fmt: skip
        return False
    return all(i.phase in SECTIONS for i in program.instructions) and not any(
        buffer.kind == RING_BUFFER for buffer in program.buffers
    )


class Calls:
    """The calls of one program, and the forms of the kernels that they need.

    Parameters
    ----------
    program : Program
    table : Table
    packing : Packing
    size : int
        Bytes of a number.
    panel : int
        The outputs of a panel of weights.

    Attributes
    ----------
    forms : dict
        From the form of a kernel, which says all that its code depends on, to its number.
    data : int64 array
        The header, and the calls of all sections.
    """

    def __init__(self, program: Program, table: Table, packing: Packing, size: int, panel: int) -> None:
        self.program, self._table, self._packing, self._size, self._panel = program, table, packing, size, panel
        self.forms: dict[Any, int] = {}
        self._calls: list[tuple[int, ...]] = []
        self._buffers = [self._buffer(kind, units, boolean) for kind, units, boolean in _kinds(program)]
        self._externals = {array: i for i, array in enumerate(table.externals)}
        self._widths = [sum(_last(program.expressions[p].shape) for p in pack.parts) for pack in program.packs]
        self.data = self._data()

    def _buffer(self, kind: str, units: int, boolean: bool) -> tuple[int, int, bool, bool]:
        """Bytes of a number, bytes from step to step, and whether it holds truth values or the steps of a block."""
        size = 1 if boolean else self._size
        return size, size * units if kind in TIMED else 0, boolean, kind == BLOCK_BUFFER

    def _data(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """All sections, one after the other, behind the header."""
        of: dict[str, list[Instruction]] = {}
        for instruction in self.program.instructions:
            of.setdefault(instruction.phase, []).append(instruction)
        header: list[int] = []
        words: list[int] = []
        for section in SECTIONS:
            self._calls = []
            self._section(section, of.get(section, ()))
            header += (HEADER * len(SECTIONS) + len(words), len(self._calls))
            for call in self._calls:
                words += call
        return np.array([*header, *words], np.int64)

    def _section(self, section: str, instructions: Iterable[Instruction]) -> None:
        if section == "pack":
            for part, number, block in self._packing.parts:
                self._pack(part, number, block)
        elif section == "sums":
            for number, accumulator in enumerate(self.program.accumulators):
                for term in accumulator.terms:
                    self._sum(number, accumulator.columns, accumulator.right, term.left, term.rows[0])
        elif section == "clear_sums":
            for number, accumulator in enumerate(self.program.accumulators):
                target = self._entry(self._table.accumulator + number)
                self._add(("clear",), target, accumulator.rows * accumulator.columns)
        elif section == "write_gradients":
            for number, (_, expression) in enumerate(self.program.gradients):
                self._gradient(number, expression)
        else:
            for instruction in instructions:
                self._instruction(instruction)

    def _add(self, form: tuple[Any, ...], *words: int) -> None:
        """Add a call: the number of its kernel, its length, its words."""
        forms = self.forms
        number = forms.get(form)
        if number is None:
            number = forms[form] = len(forms)
        self._calls.append((number, 8 * (len(words) + 2), *words))

    @staticmethod
    def _entry(number: int) -> int:
        """Where an entry of the table is, in bytes."""
        return 8 * number

    # ------------------------------------------------------------------ operands
    def _place(self, operand: Operand, width: int) -> tuple[Kind, tuple[int, ...]]:
        """The kind of an operand of an instruction of some width, and the words that say where it is."""
        if type(operand) is BufferSlice:
            size, step, boolean, block = self._buffers[operand.buffer]
            start, stop = operand.start, operand.stop
            one = stop - start != width
            return (boolean, one), (8 * operand.buffer, size * start + step * operand.shift, step, step * block)
        if type(operand) is Scalar:
            return "scalar", (bits(operand.value),)
        if isinstance(operand, ExternalArray):
            entry = self._table.external + self._externals[operand]
            return (False, operand.width != width), (8 * entry, 0, self._size * operand.width, 0)
        assert isinstance(operand, PackRef)
        return (False, self._widths[operand.pack] != width), (8 * (self._table.pack + operand.pack), 0, 0, 0)

    def _line(self, outputs: int) -> int:
        """Bytes from one input of a pack to the next."""
        return padded(outputs, self._panel) * self._size

    def _timeless(self, output: BufferSlice | ExternalArray) -> bool:
        return isinstance(output, BufferSlice) and not self._buffers[output.buffer][1]

    # ------------------------------------------------------------------ calls
    def _instruction(self, instruction: Instruction) -> None:
        name, output = instruction.name, instruction.output
        width, timeless = output.width, self._timeless(output)
        target, words = self._place(output, width)
        if name == "dot":
            rows, weights = instruction.operands
            assert isinstance(weights, PackRef) and isinstance(rows, BufferSlice | ExternalArray)
            source, more = self._place(rows, rows.width)
            pack = 8 * (self._table.pack + weights.pack)
            form = ("dot", source, target, instruction.add, timeless)
            self._add(form, rows.width, width, self._line(width), pack, *more, *words)
            return
        if name == "reduce":
            (operand,) = instruction.operands
            assert isinstance(operand, BufferSlice | ExternalArray)
            source, more = self._place(operand, operand.width)
            self._add(("reduce", instruction.attr, source, target, timeless), operand.width, *more, *words)
            return
        places = [self._place(operand, width) for operand in instruction.operands]
        form = ("elementwise", name, target, timeless, *[kind for kind, _ in places])
        self._add(form, width, *words, *[word for _, some in places for word in some])

    def _sum(self, number: int, columns: int, right: Operand, left: Operand | None, row: int) -> None:
        """A term of an accumulator."""
        kind, words = self._place(right, columns)
        target = (self._entry(self._table.accumulator + number), row * columns * self._size)
        if left is None:
            self._add(("row sums", kind), columns, *target, *words)
            return
        assert isinstance(left, BufferSlice | ExternalArray)
        other, more = self._place(left, left.width)
        self._add(("gradient", other, kind), left.width, columns, *target, *more, *words)

    def _gradient(self, number: int, expression: int) -> None:
        """The copies of parts of accumulators to a gradient."""
        for tile in tiles(self.program, expression) or ():
            part, columns = tile.source, self.program.accumulators[tile.source.accumulator].columns
            source = self._entry(self._table.accumulator + part.accumulator)
            start = (part.rows[0] * columns + part.columns[0]) * self._size
            target = (self._entry(self._table.gradient + number), tile.start * self._size, tile.pitch * self._size)
            rows, width = tile.rows, tile.width
            if width == columns == tile.pitch:
                rows, width = 1, rows * width
            self._add(("write",), *target, source, start, columns * self._size, rows, width)

    def _pack(self, part: PackPart, number: int, block: WeightBlock) -> None:
        """A part of a pack; see :func:`graphnet_native.packing.emit_part`."""
        size, source = self._size, self._entry(self._table.source + number)
        row = self._packing.sources[number].shape[1] * size
        start, target = block.rows[0] * row + block.columns[0] * size, self._entry(self._table.pack + part.pack)
        outputs, inputs = (end - first for first, end in (part.rows, part.columns))
        if self.program.packs[part.pack].form == "units":
            step = row if block.flipped else size
            self._add(("spread",), source, start, step, target, part.rows[0] * size, outputs, bits(block.factor))
            return
        line = self._line(pack_shape(self.program, part.pack)[0])
        place = part.columns[0] * line + part.rows[0] * size
        shape = (outputs, inputs) if block.flipped else (inputs, outputs)
        name = "turn" if block.flipped else "copy"
        self._add((name,), source, start, row, target, place, line, *shape, bits(block.factor))


def bits(number: float) -> int:
    """A number of double precision as a whole number of 64 bits."""
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


def _kinds(program: Program) -> list[tuple[str, int, bool]]:
    return [(buffer.kind, buffer.units, buffer.boolean) for buffer in program.buffers]


def _last(shape: Sequence[int]) -> int:
    return shape[-1] if shape else 1
