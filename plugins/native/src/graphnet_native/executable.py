"""A program in native code, with the interface of the numpy backend's executable.

Buffers, packs of vectors and everything around a program stay as they are there; the phases of a block are calls of
compiled functions on a table of addresses that is filled once.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from graphnet.core.compile.program import STATIC, Program
from graphnet.core.errors import ShapeError
from graphnet.core.run.numpy_backend.block_calls import Arrays, BlockCalls
from graphnet.core.run.numpy_backend.deferred_errors import DeferredErrors, segments
from graphnet.core.run.numpy_backend.executable import BlockBackward, Executable
from graphnet.core.run.numpy_backend.pack_plan import pack_shape
from graphnet.core.run.numpy_backend.packing import PackedWeights, Values
from graphnet.core.run.numpy_backend.program_policy import of_program
from graphnet.core.run.numpy_backend.workspace import Workspace, aligned
from graphnet_native import bounds, large
from graphnet_native.addresses import SUITABLE, address, ready
from graphnet_native.engine import Engine, objects_of, vector_bytes, version
from graphnet_native.packing import padded
from graphnet_native.pool import Task, pool
from graphnet_native.whole_calls import WholeCalls
from graphnet_native.workers import allowed, machine_threads, steps_at_once, useful

Array = Any
FUNCTIONS = ("pack", "static", "forward", "backward", "back_before", "back_loop", "back_after", "sums")
#: ``f(table)``.
WHOLE = ("whole_forward", "whole_backward")
#: ``f(table, first step, step after the last, first step of the block)``.
PHASE = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
#: Multiply-adds of the largest product, over all steps, from which on calls release the interpreter's lock: releasing
#: it for a call of some microseconds costs more than the call, and hands the interpreter to another thread.
RELEASE = 1_000_000


class Compiled:
    """The functions of a program for one dtype and one class of batches, for one thread or for several."""

    def __init__(self, program: Program, dtype: str, batch: int, workers: int = 1) -> None:
        self.workers = workers
        emitter = large.emitter(program, dtype, vector_bytes(), batch, version(), workers)
        self.checks = emitter.checks
        #: Raises the error of an access outside its array; None without bounds checks.
        self.check: Callable[[], None] | None = None
        self._code: str | list[bytes]
        if self.checks is None:
            self._exports: tuple[str, ...] = (*FUNCTIONS, *WHOLE)
            self._code = objects_of(emitter.key(), emitter.emit)
        else:  # the texts of errors belong to the code as it is emitted, so nothing is kept
            self._exports = (*FUNCTIONS, bounds.READ)
            self._code = emitter.emit().text()
        self.tiles, self.wide = emitter.tiles, emitter.wide
        self.layout, self.space = emitter.layout, emitter.space
        self.partition, self.table = emitter.partition, emitter.table
        self.packs, self.data = emitter.packing, emitter.data

    def link(self) -> None:
        """Bring the code into memory; before, the level of features must be one that this machine can execute."""
        self.engine = Engine(self._code, self._exports)
        self._code = []
        if self.checks is not None:
            self.check = partial(self.checks.raise_violation, self.engine.address(bounds.READ))
        self.whole: list[list[Any]] = []
        for kind in (ctypes.PYFUNCTYPE, ctypes.CFUNCTYPE) if self.checks is None else ():
            self.whole.append([kind(None, ctypes.c_void_p)(self.engine.address(name)) for name in WHOLE])
        if self.partition is None:
            self.holding = self._functions(ctypes.PYFUNCTYPE(None, *PHASE))
            self.releasing = self._functions(ctypes.CFUNCTYPE(None, *PHASE))
        else:
            self.tasks = {name: self.engine.address(name) for name in FUNCTIONS}

    def rows(self, outputs: int) -> int:
        """The rows of the panels of a pack."""
        if self.layout.single:
            return padded(outputs, self.tiles.rows)
        return padded(outputs, self.tiles.rows) if self.partition is None else self.partition.padded(outputs)

    def _functions(self, kind: Any) -> dict[str, Any]:
        return {name: self._checked(kind(self.engine.address(name))) for name in FUNCTIONS}

    def _checked(self, function: Any) -> Any:
        """The function, followed by the check if there is one."""
        check = self.check
        if check is None:
            return function

        def run(*arguments: Any) -> None:
            function(*arguments)
            check()

        return run


class NativeExecutable:
    """Runs one program for a number of steps and rows, in the arrays of numpy's executable, which it replaces.

    See :class:`graphnet.core.run.numpy_backend.executable.Executable` for the attributes and methods.
    """

    backend = "native"
    reason: str | None = None

    def __init__(self, program: Program, compiled: Compiled, steps: int, batch: int, dtype: str) -> None:
        self.program, self.compiled = program, compiled
        self.places = compiled.table
        self.batch, self.dtype = batch, np.dtype(dtype)
        threads = of_program(program, steps, batch, dtype)
        release = max(threads.loops, threads.outside) * steps >= RELEASE
        self.at_once = steps_at_once(program, batch, dtype)
        self._workers = self._most = 1
        if compiled.partition is not None:
            self._most = useful(program, steps, batch, dtype)
            share = _weakly(self._share)
            self.functions = {name: partial(share, Task(address)) for name, address in compiled.tasks.items()}
        else:
            self.functions = compiled.releasing if release else compiled.holding
        workspace = self.workspace = Workspace(program, steps, batch, dtype, compiled.layout.rows_first)
        for name, _, target, _ in program.staged:
            if name == "ones":
                workspace.arrays[target.buffer][..., target.start : target.stop, :] = 1
        self.carried = [replace(error, shift=0) for error in program.carried]
        self.initial = [workspace.at(replace(state, shift=0), 0) for state in program.states]
        self.final = [workspace.at(state, steps - 1) for state in program.states]
        self.final_errors = [workspace.at(error, steps - 1) for error in self.carried]
        self.initial_errors = [workspace.at(error, 0) for error in program.carried]
        self.bounded = compiled.checks is not None
        #: Addresses; in code with bounds checks followed by the first and the last address of each array.
        self.table = np.zeros(self.places.size * (3 if self.bounded else 1), np.int64)
        self.address = self.table.ctypes.data
        self.arrays: dict[int, Array] = {}
        self.first_output, self.first_accumulator = self.places.output, self.places.accumulator
        self.held = self.places.held
        self.externals = [
            (self.places.external + i, (external.name, external.index), (steps, batch, external.width))
            for i, external in enumerate(self.places.externals)
        ]
        self.has_static = any(instruction.phase == STATIC for instruction in program.instructions)
        self._weights: list[tuple[int, str, str, int, list[Array | None]]] = []
        self._computed: list[tuple[int, Array]] = []
        self._used: list[Array] = []
        self._selected: SelectedSums | None = None
        self._fill_table()
        #: One call a pass, where it is short enough to let Python handle signals only after it.
        self.whole = self._whole(release) if not self.bounded and steps <= self.at_once else None
        self.nbytes = workspace.nbytes + sum(array.nbytes for array in self.arrays.values())

    def _whole(self, release: bool) -> WholeCalls:
        """Whole passes in one call."""
        bounds = [0, *(block.stop for block in self.workspace.blocks)]
        compiled, first, most = self.compiled, self.places.team, self._most

        def functions(table: Array) -> Sequence[Callable[[int], None]]:
            if compiled.partition is None:
                return compiled.whole[release]
            return [_shared(function, table, first, most) for function in compiled.whole[True]]

        refer, weights, divide = _weakly(self.refer), _weakly(self._used_weights), _weakly(self._divided)
        return WholeCalls(
            self.program, self.places, bounds, self.batch, self.dtype, self.table, functions, refer, weights, divide
        )

    def _used_weights(self) -> tuple[list[Array], bool]:
        """The arrays whose addresses ``refer`` has set, and whether any is a copy, or computed from weights."""
        known = [known for *_, known in self._weights]
        copied = bool(self._computed) or any(array is None for array, _ in known)
        return [used for _, used in known] + [target for _, target in self._computed], copied

    def _divided(self, steps: int) -> list[int] | None:
        """The bounds of blocks for fewer steps; None if they need more memory, or other code."""
        parts = self.workspace.divided(steps)
        workers = min(useful(self.program, steps, self.batch, self.dtype.name), machine_threads())
        if steps > self.workspace.steps or max(part.steps for part in parts) > self.workspace.longest:
            return None
        return [0, *(part.stop for part in parts)] if workers == self.compiled.workers else None

    def _fill_table(self) -> None:
        """Set the addresses that stay the same for the life of this object."""
        places, compiled = self.places, self.compiled
        for i, array in enumerate(self.workspace.arrays):
            self._set(i, array)
        for i, pack in enumerate(self.program.packs):
            outputs, inputs = pack_shape(self.program, i)
            if pack.form != "product":
                self._allocate(places.pack + i, outputs, 1 if compiled.layout.rows_first else self.batch)
            else:
                self._allocate(places.pack + i, inputs, compiled.rows(outputs))
        for i, source in enumerate(compiled.packs.sources):
            if source.weight is not None:
                self._weights.append((places.source + i, *source.weight, math.prod(source.shape), [None, None]))
            else:
                self._allocate(places.source + i, *source.shape)
                array = self.arrays[places.source + i]
                self._computed.append((source.value, array[0] if source.shape[0] == 1 else array))
        self._values = Values(self.program, [number for number, _ in self._computed])
        space, rows = compiled.space, self.workspace.longest * self.batch
        self._allocate(places.left, space.left_rows * rows)
        self._allocate(places.right, space.right_columns * rows)
        for i, external in enumerate(places.externals):
            if not compiled.layout.rows_first:
                self._allocate(places.copy + i, self.workspace.longest, external.width, self.batch)
        self.table[places.batch] = self.batch
        if compiled.data is not None:
            self._set(places.calls, compiled.data)

    def _set(self, entry: int, array: Array, before: int = 0) -> None:
        """Set an entry to the address of an array, or to an address that number of bytes before."""
        start = address(array)
        self.table[entry] = start - before
        if self.bounded:
            size = self.places.size
            self.table[entry + size], self.table[entry + 2 * size] = start, start + array.nbytes

    def _allocate(self, entry: int, *shape: int) -> None:
        self.arrays[entry] = aligned(shape, self.dtype)
        self._set(entry, self.arrays[entry])

    # ------------------------------------------------------------------ running
    def load_weights(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Pack the weights of a pass; returns the values of expressions that gradients need."""
        values = self.refer(arrays)
        if self.compiled.partition is not None:
            self._workers = min(self._most, allowed())
        if self.compiled.packs.parts:
            self.functions["pack"](self.address, 0, 0, 0)
        return values

    def refer(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Set the addresses from which weights are packed; returns the values of expressions that gradients need."""
        dtype = self.dtype
        for entry, path, name, size, known in self._weights:
            array = arrays[path][name]
            if array is known[0]:
                continue
            if array.size != size:
                raise ShapeError(
                    "a weight has another size than before",
                    where=f"{path}/{name}",
                    expected=f"{size} numbers",
                    received=array.shape,
                )
            # ``known`` keeps the array alive; one that had to be copied is not known to the next pass.
            if array.flags.num & SUITABLE == SUITABLE and array.dtype == dtype:
                known[0] = known[1] = used = array
            else:
                used = np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])
                known[:] = None, used
            self._set(entry, used)
        values = self._values.evaluate(arrays)
        for number, target in self._computed:
            value = values[number]
            target[...] = np.reshape(value, -1) if target.ndim == 1 else value
        return values

    def _share(self, task: Task, table: int, start: int, stop: int, origin: int) -> None:
        """Run a task with the threads that this pass may have."""
        pool().run(task, table, start, stop, origin, self._workers)
        if self.compiled.check is not None:
            self.compiled.check()

    def run_static(self) -> None:
        """Compute what is the same at every step."""
        if self.has_static:
            self.functions["static"](self.address, 0, 1, 0)

    def _call(self, name: str, start: int, stop: int, origin: int) -> None:
        """Call a function for some steps; between calls of long ones, Python handles signals."""
        function, most = self.functions[name], self.at_once
        if stop - start <= most:
            function(self.address, start, stop, origin)
            return
        spans = [(first, min(first + most, stop)) for first in range(start, stop, most)]
        for first, last in spans if name == "forward" else reversed(spans):
            function(self.address, first, last, origin)

    def run_block(
        self, number: int, arrays: Arrays, outputs: list[Array], held: Array | None, threads: int | None
    ) -> None:
        """Run one block forward."""
        block = self.workspace.blocks[number]
        if number == 0:
            self._set_externals(arrays)
            for i, output in enumerate(outputs):
                self._set(self.first_output + i, output)
        if held is None:
            self.table[self.held] = 0
        else:
            held = ready(held, np.dtype(bool), (block.steps, self.batch))
            self._set(self.held, held, block.start * self.batch)
        self._call("forward", block.start, block.stop, block.start)
        if number == len(self.workspace.blocks) - 1:
            self._used = []

    def _set_externals(self, arrays: Arrays) -> None:
        """Set the addresses of the caller's arrays; ``_used`` keeps them alive until the pass has run."""
        self._used = []
        for entry, key, shape in self.externals:
            array = arrays.get(key)
            if array is not None:
                array = ready(array, self.dtype, shape)
                self._used.append(array)
                self._set(entry, array)

    def run_block_backward(
        self, number: int, arrays: Arrays, ended: Array | None, deferred: DeferredErrors | None, threads: int | None
    ) -> None:
        """Run one block backward and fill the errors of sequences in ``arrays``."""
        block = self.workspace.blocks[number]
        if number == len(self.workspace.blocks) - 1:
            self._set_externals(arrays)
            if self.compiled.partition is not None:
                self._workers = min(self._most, allowed())
        span = (block.start, block.stop, block.start)
        if deferred is None or ended is None:
            self._call("backward", *span)
            return
        self._call("back_before", *span)
        for start, stop, rows in segments(ended):
            last = block.start + stop - 1
            deferred.exchange(rows, [self.workspace.at(error, last) for error in self.carried])
            self._call("back_loop", block.start + start, last + 1, block.start)
        self._call("back_after", *span)

    def accumulate(self, number: int, arrays: Arrays, sums: list[Any], counted: Any) -> None:
        """Add the sums over the rows of a block to ``sums``; ``counted`` selects rows (None: all)."""
        if counted is not None and not isinstance(counted, slice):
            if self._selected is None:
                self._selected = SelectedSums(self.program, self.workspace)
            self._selected.accumulate(number, arrays, sums, counted)
        else:
            block = self.workspace.blocks[number]
            first = block.start + (0 if counted is None else counted.start // self.batch)
            if first < block.stop:
                for i, accumulator in enumerate(self.program.accumulators):
                    if sums[i] is None:  # a new array in each pass: gradients are views of it
                        sums[i] = np.zeros((accumulator.rows, accumulator.columns), self.dtype)
                    else:  # sums over selected rows of another block are an array of numpy
                        sums[i] = np.require(sums[i], self.dtype, ["C_CONTIGUOUS", "ALIGNED", "WRITEABLE"])
                    self._set(self.first_accumulator + i, sums[i])
                self._call("sums", first, block.stop, block.start)
        if number == 0:
            self._used = []


class SelectedSums(Executable):
    """Sums over selected rows, by numpy, in the workspace of another executable."""

    def __init__(self, program: Program, workspace: Workspace) -> None:
        self.program, self.workspace = program, workspace
        packs = PackedWeights(program, 1, str(workspace.dtype))
        self.backward = []
        for block in workspace.blocks:
            self._calls = BlockCalls(workspace, packs)  # what it gathers is of one block
            accumulations = [self._accumulation(accumulator, block) for accumulator in program.accumulators]
            self.backward.append(BlockBackward([], [], accumulations))


def _shared(function: Callable[[int], None], entries: Array, first: int, most: int) -> Callable[[int], None]:
    """A whole pass whose blocks are tasks; ``first`` is the entry of the team, ``most`` the number of workers."""

    def run(table: int) -> None:
        used = pool()
        workers = used.start(min(most, allowed()))
        entries[first : first + 3] = used.team, used.code.share_address, workers
        function(table)
        used.settle()

    return run


def _weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, without its object, which holds what is returned: a cycle would keep all arrays for a while."""
    reference = weakref.WeakMethod(method)

    def call(*arguments: Any) -> Any:
        bound = reference()
        assert bound is not None
        return bound(*arguments)

    return call
