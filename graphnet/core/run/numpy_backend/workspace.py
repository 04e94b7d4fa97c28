"""The arrays of one program, for a number of steps and rows, and the views of them that its calls need."""

from __future__ import annotations

import math
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
from graphnet.core.records import record

#: Rows (steps times batch) of a block where there is a loop: enough for products at full speed, few enough for the
#: cache.
BLOCK_ROWS = 256
#: The same without a loop, where fewer blocks mean fewer sums of weight gradients.
LOOPLESS_ROWS = 4096


#: Bytes of a cache line.
LINE = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros in memory that begins at a cache line, so that no vector of native code lies in two of them."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


@record
class Block:
    """Steps ``start`` to ``stop`` in the order of processing."""

    start: int
    stop: int

    @property
    def steps(self) -> int:
        """The number of steps."""
        return self.stop - self.start


def blocks(steps: int, batch: int, rows: int) -> list[Block]:
    """Divide steps into blocks of about equal length with about this many rows."""
    count = max(1, round(steps * batch / rows)) if steps * batch > 1.5 * rows else 1
    count = min(count, steps)
    ends = [steps * (i + 1) // count for i in range(count)]
    return [Block(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


class Workspace:
    """Arrays by buffer; those of several steps are ``(steps, units, batch)``.

    With ``rows_first``, their memory is in the order ``(steps, batch, units)``.
    """

    def __init__(self, program: Program, steps: int, batch: int, dtype: str, rows_first: bool = False) -> None:
        self.program, self.steps, self.batch, self.rows_first = program, steps, batch, rows_first
        self.blocks = self.divided(steps)
        self.longest = max(b.steps for b in self.blocks)
        self.dtype = np.dtype(dtype)
        self.arrays = self._arrays()
        self._lists: dict[Any, list[Array]] = {}

    def divided(self, steps: int) -> list[Block]:
        """The blocks of a number of steps."""
        return blocks(steps, self.batch, BLOCK_ROWS if self.program.calls else LOOPLESS_ROWS)

    def _arrays(self) -> list[Array]:
        """All buffers, in one allocation; boolean ones separately.

        The block buffers of the forward and of the backward pass share memory, since none outlives its block.
        """
        directions: tuple[set[int], set[int]] = (set(), set())
        for phase, buffer_slice in self.program.written():
            if self.kind(buffer_slice) == BLOCK_BUFFER:
                directions[phase in BACKWARD].add(buffer_slice.buffer)
        shapes = [self._shape(i) for i in range(len(self.program.buffers))]
        plain = [i for i, b in enumerate(self.program.buffers) if not b.boolean]
        starts: dict[int, int] = {}
        shared = directions[0] - directions[1]
        end = self._offsets([i for i in plain if i not in shared and i not in directions[1]], shapes, starts, 0)
        total = max(
            self._offsets([i for i in plain if i in direction], shapes, starts, end)
            for direction in (shared, directions[1])
        )
        memory = aligned((total,), self.dtype)
        return [
            self._ordered(memory[starts[i] : starts[i] + math.prod(shape)] if i in starts else None, shape)
            for i, shape in enumerate(shapes)
        ]

    def _ordered(self, memory: Array | None, shape: tuple[int, ...]) -> Array:
        """An array in some memory, or a boolean one in its own, with its last two axes in the workspace's order."""
        order = (*shape[:-2], shape[-1], shape[-2]) if self.rows_first else shape
        array = np.zeros(order, bool) if memory is None else memory.reshape(order)
        return array.swapaxes(-1, -2) if self.rows_first else array

    def _offsets(self, numbers: list[int], shapes: list[tuple[int, ...]], starts: dict[int, int], start: int) -> int:
        """Offsets for some buffers one after the other, each at the beginning of a cache line; returns the end."""
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

    def kind(self, buffer_slice: BufferSlice) -> str:
        """The lifetime of a slice."""
        return self.program.buffers[buffer_slice.buffer].kind

    def whole(self, buffer_slice: BufferSlice, block: Block) -> Any:
        """A slice over all steps of a block, ``(steps, units, batch)``, or ``(units, batch)`` without a time axis."""
        array = self.arrays[buffer_slice.buffer][..., buffer_slice.start : buffer_slice.stop, :]
        kind = self.kind(buffer_slice)
        if kind in (STATIC_BUFFER, STEP_BUFFER, RING_BUFFER):
            return array
        first = (0 if kind == BLOCK_BUFFER else block.start) + buffer_slice.shift
        return array[first : first + block.steps]

    def at(self, buffer_slice: BufferSlice, step: int) -> Any:
        """A slice at one step; with ``shift`` 1, where the next step reads it."""
        array = self.arrays[buffer_slice.buffer][..., buffer_slice.start : buffer_slice.stop, :]
        kind = self.kind(buffer_slice)
        if kind in (STATIC_BUFFER, STEP_BUFFER):
            return array
        if kind == RING_BUFFER:
            return array[(step + 1 - buffer_slice.shift) % 2]
        if kind == BLOCK_BUFFER:
            block = next((b for b in reversed(self.blocks) if b.start <= step), self.blocks[0])
            step -= block.start
        return array[step + buffer_slice.shift]

    def each(self, buffer_slice: BufferSlice, block: Block, flat: bool, backward: bool) -> list[Array]:
        """A slice at every step of a block, in the order of processing; vectors where ``flat``."""
        key = (buffer_slice, block.start, flat, backward)
        views = self._lists.get(key)
        if views is None:
            if self.kind(buffer_slice) == RING_BUFFER:
                views = [self.at(buffer_slice, t) for t in range(block.start, block.stop)]
            else:
                views = list(self.whole(buffer_slice, block))
            if flat:
                views = [a[:, 0] for a in views]
            if backward:
                views.reverse()
            if self.steps <= KEPT_VIEWS:
                self._lists[key] = views
        return views


#: Views by step are cached for up to this many steps; for more they would take as much memory as the numbers.
KEPT_VIEWS = 1024
