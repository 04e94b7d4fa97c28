"""A program with the memory that it runs in: runs block by block, forward and backward."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.compile.program import BLOCK_BUFFER, Program
from graphnet.core.concurrency.time_slices import lock_for
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.deferred_errors import DeferredErrors
from graphnet.core.run.numpy_backend.denormals import Flushed
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet.core.run.numpy_backend.packing import gradients
from graphnet.core.run.numpy_backend.program_policy import of_program
from graphnet.core.run.numpy_backend.workspace import Block
from graphnet.core.run.thread_policy import ThreadPolicy

#: The caller's arrays of a pass by (name, index): sequences, errors of outputs and of sequences.
CallerArrays = dict[tuple[str, int], Array]


@dataclass(slots=True, eq=False)
class Tape:
    """What the backward pass needs of a forward pass.

    Attributes
    ----------
    executable : Executable
    arrays : dict
        The caller's arrays.
    values : list
        Of the program's expressions of weights.
    ended : bool array (steps, batch) or None
        Which rows have ended, in the order of processing.
    lengths : int array (batch,) or None
    """

    executable: Executable
    arrays: CallerArrays
    values: list[Any]
    ended: Array | None
    lengths: Array | None


class BoundProgram:
    """A program for a number of steps and rows. Its memory belongs to the bound plan, and so to one pass at a time.

    Parameters
    ----------
    program : Program
    steps, batch : int
    options : BindOptions
    """

    #: The number of last steps in which uses of the weights count in the gradients; None: all.
    bptt_length: int | None = None

    def __init__(self, program: Program, steps: int, batch: int, options: BindOptions) -> None:
        self.program, self.steps, self.batch, self.options = program, steps, batch, options
        self.draws = [(attr, target) for name, attr, target, _ in program.staged if name == "draw"]
        self._executable: Executable | None = None
        self.threads = of_program(program, steps, batch, options.dtype)
        #: The limit for the loops; None: that of the whole pass.
        self.loop_threads = self.threads.in_loops
        self.lock = lock_for(self.threads.loops or self.threads.outside)
        self.flushed: AbstractContextManager[None] = Flushed()
        self._output_shapes = [(steps, batch, source.width) for source in program.emitted]
        self._dtype = np.dtype(options.dtype)

    # ------------------------------------------------------------------ memory and threads
    def executable(self) -> Executable:
        """The calls on a workspace, which is allocated at the first call and after ``drop``."""
        if self._executable is None:
            self._executable = self.made(self.steps)
        return self._executable

    def made(self, steps: int) -> Executable:
        """A new executable for a number of steps."""
        make = self.options.executable or Executable
        executable: Executable = make(self.program, steps, self.batch, self.options.dtype)
        if executable.whole is not None:
            first = 0 if self.bptt_length is None else max(0, steps - self.bptt_length)
            executable.whole.flush(isinstance(self.flushed, Flushed), first)
        return executable

    def idle(self) -> int:
        """Bytes of its arrays."""
        return 0 if self._executable is None else self._executable.nbytes

    def drop(self) -> None:
        """Release them."""
        self._executable = None

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with."""
        return self.threads

    # ------------------------------------------------------------------ forward
    def run_forward(
        self, executable: Executable, arrays: CallerArrays, run: RunContext, held: Array | None = None
    ) -> list[Array]:
        """Run all blocks; returns the emitted outputs ``(steps, batch, units)``.

        ``held`` (steps, batch) says in which rows a step leaves the states as they were.
        """
        executable.run_static()
        outputs = []
        for shape in self._output_shapes:
            outputs.append(np.empty(shape, self._dtype))
        if run.holds_lock:
            with self.flushed:
                self._run_blocks(executable, arrays, held, outputs, rest=False)
        else:
            with self.lock, self.flushed:
                self._run_blocks(executable, arrays, held, outputs, rest=True)
        return outputs

    def _run_blocks(
        self, executable: Executable, arrays: CallerArrays, held: Array | None, outputs: list[Array], rest: bool
    ) -> None:
        for number, block in enumerate(executable.workspace.blocks):
            if rest:
                self.lock.rest()
            if number:
                self.copy_states(executable, number)
            block_held = None if held is None else held[block.start : block.stop]
            executable.run_block(number, arrays, outputs, block_held, self.loop_threads)

    def copy_states(self, executable: Executable, number: int) -> None:
        """Copy the states from the end of a block to the beginning of the next one."""
        workspace = executable.workspace
        previous = workspace.blocks[number - 1]
        for state in self.program.states:
            if workspace.kind(state) == BLOCK_BUFFER:
                array = workspace.arrays[state.buffer][:, state.start : state.stop]
                array[0] = array[previous.steps]

    # ------------------------------------------------------------------ backward
    def run_backward(
        self, tape: Tape, arrays: CallerArrays, run: RunContext, defer: bool = False
    ) -> list[Array | None]:
        """Run all blocks backward: fills the errors of sequences in ``arrays``; returns those of the contexts.

        ``defer`` says that there are errors of final states, which are deferred in rows that have ended.
        """
        program, executable = self.program, tape.executable
        for k, source in enumerate(program.sequence_errors):
            if source is not None:
                arrays["sequence_error", k] = np.empty((self.steps, self.batch, source.width), self._dtype)
        context_errors: list[Any] = [None] * len(program.context_errors)
        sums: list[Any] = [None] * len(program.accumulators)
        deferred = DeferredErrors(executable.final_errors) if tape.ended is not None and defer else None
        with self.lock, self.flushed:
            for number in range(len(executable.workspace.blocks) - 1, -1, -1):
                self.lock.rest()
                block = executable.workspace.blocks[number]
                ended = None if tape.ended is None else tape.ended[block.start : block.stop]
                executable.run_block_backward(number, arrays, ended, deferred, self.loop_threads)
                self.add_context_errors(executable, block, context_errors)
                executable.accumulate(number, arrays, sums, self.counted(tape.lengths, block))
        if deferred is not None:
            deferred.restore(executable.initial_errors)
        self.collect(gradients(program, sums, tape.values, self.options.dtype), run)
        return context_errors

    def add_context_errors(self, executable: Executable, block: Block, context_errors: list[Any]) -> None:
        """Add the errors of contexts over the steps of a block."""
        for k, context in enumerate(self.program.context_errors):
            if context is not None:
                part = executable.workspace.whole(context, block).sum(0)
                context_errors[k] = part if context_errors[k] is None else context_errors[k] + part

    def counted(self, lengths: Array | None, block: Block) -> Any:
        """The rows of a block that count in the gradients: a slice, or a boolean for each; None: all."""
        last = self.bptt_length
        if last is None or last >= self.steps:
            return None
        if lengths is None:
            first = max(0, self.steps - last - block.start)
            return slice(first * self.batch, None) if first else None
        steps = np.arange(block.start, block.stop)[:, None]
        return (steps >= lengths - last).reshape(-1)

    @staticmethod
    def collect(arrays: dict[tuple[str, str], Array], run: RunContext) -> None:
        """Add gradients to those of the pass."""
        for (owner, name), gradient in arrays.items():
            total = run.gradients.setdefault(owner, {})
            if name in total:
                total[name] = total[name] + gradient
            else:
                total[name] = np.asarray(gradient, order="C")  # ascontiguousarray makes numbers vectors
