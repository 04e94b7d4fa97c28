"""The arrays of one program for so many steps and rows, with every view that its calls need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    BACKWARD,
    BLOCK_BUFFER,
    FULL_BUFFER,
    RING_BUFFER,
    STATIC_BUFFER,
    STEP_BUFFER,
    BufferSlice,
    Program,
)
from graphnet.core.describe.parameter import Array

#: Rows (steps times batch) of a block where there is a loop: enough for products to run at full speed, few enough to
#: stay near the core.
BLOCK_ROWS = 256
#: The same without a loop: fewer sums of weight gradients to add up.
LOOPLESS_ROWS = 4096


#: Bytes of a line of the cache.
LINE = 64


@dataclass(frozen=True, slots=True)
class Block:
    """Steps ``start`` to ``stop`` in the order of processing."""

    start: int
    stop: int

    @property
    def steps(self) -> int:
        """How many steps."""
        return self.stop - self.start


def blocks(steps: int, batch: int, rows: int) -> list[Block]:
    """Steps in blocks of about equal length, of about so many rows."""
    count = max(1, round(steps * batch / rows)) if steps * batch > 1.5 * rows else 1
    count = min(count, steps)
    ends = [steps * (i + 1) // count for i in range(count)]
    return [Block(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


class Workspace:
    """Arrays by buffer; ``(steps, units, batch)`` where they last."""

    def __init__(self, program: Program, steps: int, batch: int, dtype: str) -> None:
        self.program, self.steps, self.batch = program, steps, batch
        self.blocks = blocks(steps, batch, BLOCK_ROWS if program.calls else LOOPLESS_ROWS)
        self.longest = max(b.steps for b in self.blocks)
        self.dtype = np.dtype(dtype)
        self.arrays = self._arrays()
        self._lists: dict[Any, list[Array]] = {}

    def _arrays(self) -> list[Array]:
        """All buffers, out of one piece of memory; those for truth values by themselves.

        Blocks of the way forward and of the way back have the same room, since neither outlives its own.
        """
        ways: tuple[set[int], set[int]] = (set(), set())
        for phase, place in self.program.written():
            if self.kind(place) == BLOCK_BUFFER:
                ways[phase in BACKWARD].add(place.buffer)
        shapes = [self._shape(i) for i in range(len(self.program.buffers))]
        plain = [i for i, b in enumerate(self.program.buffers) if not b.boolean]
        starts: dict[int, int] = {}
        shared = ways[0] - ways[1]
        end = self._lay([i for i in plain if i not in shared and i not in ways[1]], shapes, starts, 0)
        total = max(self._lay([i for i in plain if i in way], shapes, starts, end) for way in (shared, ways[1]))
        room = np.zeros(total, self.dtype)
        return [
            room[starts[i] : starts[i] + math.prod(shape)].reshape(shape) if i in starts else np.zeros(shape, bool)
            for i, shape in enumerate(shapes)
        ]

    def _lay(self, numbers: list[int], shapes: list[tuple[int, ...]], starts: dict[int, int], start: int) -> int:
        """Places for some buffers one after the other, each at the beginning of a line of the cache; their end."""
        line = LINE // self.dtype.itemsize
        for i in numbers:
            starts[i] = start
            start += -(-math.prod(shapes[i]) // line) * line
        return start

    def _shape(self, number: int) -> tuple[int, ...]:
        buffer = self.program.buffers[number]
        lasting = {
            STATIC_BUFFER: (),
            STEP_BUFFER: (),
            RING_BUFFER: (2,),
            BLOCK_BUFFER: (self.longest + buffer.ahead,),
            FULL_BUFFER: (self.steps + buffer.ahead,),
        }[buffer.kind]
        return (*lasting, buffer.units, self.batch)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        bases = {id(a if a.base is None else a.base): (a if a.base is None else a.base) for a in self.arrays}
        return sum(a.nbytes for a in bases.values())

    def kind(self, place: BufferSlice) -> str:
        """How long a place lasts."""
        return self.program.buffers[place.buffer].kind

    def whole(self, place: BufferSlice, block: Block) -> Any:
        """A place over all steps of a block, ``(steps, units, batch)``; without steps where it has none."""
        array = self.arrays[place.buffer][..., place.start : place.stop, :]
        kind = self.kind(place)
        if kind in (STATIC_BUFFER, STEP_BUFFER, RING_BUFFER):
            return array
        first = (0 if kind == BLOCK_BUFFER else block.start) + place.shift
        return array[first : first + block.steps]

    def at(self, place: BufferSlice, step: int) -> Any:
        """A place at one step; what the step after it finds with ``shift`` 1 and the last step."""
        array = self.arrays[place.buffer][..., place.start : place.stop, :]
        kind = self.kind(place)
        if kind in (STATIC_BUFFER, STEP_BUFFER):
            return array
        if kind == RING_BUFFER:
            return array[(step + 1 - place.shift) % 2]
        if kind == BLOCK_BUFFER:
            block = next((b for b in reversed(self.blocks) if b.start <= step), self.blocks[0])
            step -= block.start
        return array[step + place.shift]

    def each(self, place: BufferSlice, block: Block, flat: bool, backward: bool) -> list[Array]:
        """A place at every step of a block, in the order in which they are made; vectors where ``flat``."""
        key = (place, block.start, flat, backward)
        found = self._lists.get(key)
        if found is None:
            if self.kind(place) == RING_BUFFER:
                found = [self.at(place, t) for t in range(block.start, block.stop)]
            else:
                found = list(self.whole(place, block))
            if flat:
                found = [a[:, 0] for a in found]
            if backward:
                found.reverse()
            if self.steps <= KEPT_VIEWS:
                self._lists[key] = found
        return found


#: Views by step are kept for runs of up to so many steps; beyond, they would weigh as much as the numbers.
KEPT_VIEWS = 1024
