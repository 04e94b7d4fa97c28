"""A program in native code, with the interface of the numpy backend's executable.

Buffers, packs of vectors and everything around a program stay as they are there; the phases of a block are calls of
compiled functions on a table of addresses that is filled once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.compile.program import BufferSlice, Program
from graphnet.core.run.numpy_backend.block_calls import BlockCalls
from graphnet.core.run.numpy_backend.bound_program import Executable
from graphnet.core.run.numpy_backend.deferred_errors import segments
from graphnet.core.run.numpy_backend.packing import PackedWeights
from graphnet.core.run.numpy_backend.thread_policy import of_program
from graphnet.core.run.numpy_backend.workspace import Workspace
from graphnet_native import products
from graphnet_native.emitter import Emitter
from graphnet_native.engine import Engine, vector_bytes, version
from graphnet_native.table import Table

Array = Any
PHASES = ("static", "before", "loop", "after", "back_before", "back_loop", "back_after", "sums")
#: ``f(table, first step, step after the last, first step of the block)``.
PHASE = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
PACK = (ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 5)
#: Multiply-adds in the largest product of a step from which on calls release the interpreter's lock: releasing it for
#: a call of some microseconds costs more than the call, and hands the interpreter to another thread.
RELEASE = 100_000


class Compiled:
    """The functions of a program for one dtype and one class of batches."""

    def __init__(self, program: Program, dtype: str, batch: int) -> None:
        emitter = Emitter(program, dtype, vector_bytes(), batch, version())
        self.engine = Engine(emitter.emit())
        self.tiles, self.wide = emitter.tiles, emitter.wide
        self.single, self.space = emitter.single, emitter.space
        self.holding = self._functions(ctypes.PYFUNCTYPE(None, *PHASE))
        self.releasing = self._functions(ctypes.CFUNCTYPE(None, *PHASE))
        self.pack = None
        if not self.single:
            name = products.pack(emitter.module, emitter.tiles)
            self.pack = ctypes.PYFUNCTYPE(None, *PACK)(self.engine.address(name))

    def _functions(self, kind: Any) -> dict[str, Any]:
        return {name: kind(self.engine.address(name)) for name in PHASES}


class NativeExecutable:
    """Runs one program for a number of steps and rows; see
    :class:`graphnet.core.run.numpy_backend.bound_program.Executable`.
    """

    def __init__(self, program: Program, compiled: Compiled, steps: int, batch: int, dtype: str) -> None:
        self.program, self.compiled = program, compiled
        self.places = Table.of(program)
        threads = of_program(program, steps, batch, dtype)
        release = max(threads.loops, threads.outside) * steps >= RELEASE * 16
        self.functions = compiled.releasing if release else compiled.holding
        self.space = Workspace(program, steps, batch, dtype)
        self.packs = PackedWeights(program, 1, dtype)  # outputs next to each other: weights are copied as they lie
        self.batch, self.dtype = batch, np.dtype(dtype)
        states = [(p, BufferSlice(p.buffer, p.start, p.stop, 0)) for p in program.states]
        carried = [(p, BufferSlice(p.buffer, p.start, p.stop, 0)) for p in program.carried]
        for name, _, place, _ in program.staged:
            if name == "ones":
                self.space.arrays[place.buffer][..., place.start : place.stop, :] = 1
        self.initial = [self.space.at(old, 0) for _, old in states]
        self.final = [self.space.at(new, steps - 1) for new, _ in states]
        self.carried = [old for _, old in carried]
        self.arriving = [self.space.at(old, steps - 1) for _, old in carried]
        self.leaving = [self.space.at(new, 0) for new, _ in carried]
        self.table = np.zeros(self.places.size, np.int64)
        self.kept: dict[int, Array] = {}
        self._numpy: Executable | None = None
        self._fill_table()
        self.nbytes = self.space.nbytes + sum(a.nbytes for a in self.kept.values())

    def _fill_table(self) -> None:
        """Addresses that stay the same for the life of this object."""
        place = self.places
        self.address = self.table.ctypes.data
        for i, array in enumerate(self.space.arrays):
            self._set(i, array)
        self.products = [i for i, pack in enumerate(self.program.packs) if pack.form == "product"]
        for i, pack in enumerate(self.program.packs):
            if pack.form != "product":
                self._keep(place.pack + i, (len(self.packs.arrays[i]), self.batch))
                continue
            outputs, inputs = self.packs.shape(i)
            rows = (
                outputs if self.compiled.single else -(-outputs // self.compiled.tiles.rows) * self.compiled.tiles.rows
            )
            self._keep(place.pack + i, (inputs, rows))
        self.vectors = [i for i, pack in enumerate(self.program.packs) if pack.form != "product"]
        most = self.compiled.space
        steps = self.space.longest * self.batch
        tile = self.compiled.wide.rows
        self._keep(place.left, (max(most.left_rows * steps, -(-steps // tile) * tile * most.inputs),))
        self._keep(place.right, (most.right_columns * steps,))
        for i, external in enumerate(place.externals):
            if not self.compiled.single:
                self._keep(place.copy + i, (self.space.longest, external.width, self.batch))
        self.table[place.batch] = self.batch
        self.sums = [np.zeros((a.rows, a.columns), self.dtype) for a in self.program.accumulators]
        for i, total in enumerate(self.sums):
            self._set(place.accumulator + i, total)

    def _set(self, entry: int, array: Array) -> None:
        self.table[entry] = array.ctypes.data

    def _keep(self, entry: int, shape: tuple[int, ...]) -> None:
        self.kept[entry] = np.zeros(shape, self.dtype)
        self._set(entry, self.kept[entry])

    # ------------------------------------------------------------------ running
    def load_weights(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Pack the weights of a pass; returns the values that gradients need."""
        fixed = self.packs.fill(arrays)
        for i in self.vectors:
            self.kept[self.places.pack + i][...] = self.packs.arrays[i]
        for i in self.products:
            source = self.packs.arrays[i]
            target = self.kept[self.places.pack + i]
            if self.compiled.pack is None:
                np.copyto(target, source.T)
            else:
                panel = source.shape[1] * self.compiled.tiles.rows * self.dtype.itemsize
                self.compiled.pack(source.ctypes.data, target.ctypes.data, *source.shape, *source.strides, panel)
        return fixed

    def run_static(self) -> None:
        """Compute what is the same at every step."""
        self.functions["static"](self.address, 0, 1, 0)

    def run_block(
        self, number: int, given: Mapping[Any, Array], outputs: list[Array], held: Array | None, threads: int | None
    ) -> None:
        """Run one block forward; ``held`` (steps, batch) are the rows whose states a step must not change."""
        block = self.space.blocks[number]
        place, functions = self.places, self.functions
        kept = self._externals(given)
        for i, output in enumerate(outputs):
            self._set(place.output + i, output)
        if held is None:
            self.table[place.held] = 0
        else:
            held = np.ascontiguousarray(held)
            self.table[place.held] = held.ctypes.data - block.start * self.batch
        span = (self.address, block.start, block.stop, block.start)
        functions["before"](*span)
        functions["loop"](*span)
        functions["after"](*span)
        del kept, held

    def _externals(self, given: Mapping[Any, Array]) -> list[Array]:
        """Put the addresses of the arrays of a pass into the table; returns them, to be kept alive."""
        arrays = []
        for i, external in enumerate(self.places.externals):
            array = given.get((external.name, external.index))
            if array is None:
                continue
            if not array.flags.c_contiguous or array.dtype != self.dtype:
                array = np.ascontiguousarray(array, self.dtype)
            arrays.append(array)
            self._set(self.places.external + i, array)
        return arrays

    def run_block_backward(
        self, number: int, given: Mapping[Any, Array], ended: Array | None, waiting: Any, threads: int | None
    ) -> None:
        """Run one block backward and write the errors of sequences; ``ended`` (steps, batch): rows that have ended."""
        block, functions = self.space.blocks[number], self.functions
        kept = self._externals(given)
        span = (self.address, block.start, block.stop, block.start)
        functions["back_before"](*span)
        if waiting is None:
            functions["back_loop"](*span)
        else:
            assert ended is not None
            for start, stop, rows in segments(ended):
                waiting.change(rows, [self.space.at(p, block.start + stop - 1) for p in self.carried])
                functions["back_loop"](self.address, block.start + start, block.start + stop, block.start)
        functions["back_after"](*span)
        del kept

    def accumulate(self, number: int, given: Mapping[Any, Array], sums: list[Any], counted: Any) -> None:
        """Add the sums over the rows of a block to ``sums``; ``counted`` selects rows (None: all)."""
        block = self.space.blocks[number]
        if counted is not None and not isinstance(counted, slice):
            self._counted(number, given, sums, counted)
            return
        first = block.start + (0 if counted is None else counted.start // self.batch)
        if first >= block.stop:
            return
        if not sums or sums[0] is None:
            for i, total in enumerate(self.sums):
                total[...] = 0
                sums[i] = total
        kept = self._externals(given)
        self.functions["sums"](self.address, first, block.stop, block.start)
        del kept

    def _counted(self, number: int, given: Mapping[Any, Array], sums: list[Any], counted: Array) -> None:
        """Rows that do not all count: gathered by numpy."""
        if self._numpy is None:
            self._numpy = Gather(self.program, self.space, self.packs)
        self._numpy.accumulate(number, given, sums, counted)


class Gather(Executable):
    """Numpy's sums over selected rows, on the buffers of another executable."""

    def __init__(self, program: Program, space: Workspace, packs: PackedWeights) -> None:
        self.program, self.space, self.packs = program, space, packs
        self.calls = BlockCalls(space, packs)
        self.backward = [([], [], self._sums(block)) for block in space.blocks]

    def _sums(self, block: Any) -> list[Any]:
        found = []
        for accumulator in self.program.accumulators:
            prepare, right = self.calls.flat(accumulator.right, block)
            sections: list[Any] = []
            for term in accumulator.terms:
                left = None
                if term.left is not None:
                    more, left = self.calls.flat(term.left, block)
                    prepare = prepare + more
                sections.append((left, *term.rows))
            found.append((prepare, right, sections, (accumulator.rows, accumulator.columns)))
        return found
