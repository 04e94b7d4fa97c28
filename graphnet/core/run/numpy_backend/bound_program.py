"""A program that runs: what can be done for many steps at once is, the rest in straight lines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    AFTER,
    BACK_AFTER,
    BACK_BEFORE,
    BACK_LOOP,
    BEFORE,
    LOOP,
    STATIC,
    BufferSlice,
    Program,
)
from graphnet.core.concurrency.blas_threads import limited
from graphnet.core.concurrency.time_slices import lock_for
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.block_calls import Action, Arrays, BlockCalls
from graphnet.core.run.numpy_backend.deferred_errors import DeferredErrors, segments
from graphnet.core.run.numpy_backend.denormals import Flushed
from graphnet.core.run.numpy_backend.loop_functions import LoopFunctions
from graphnet.core.run.numpy_backend.packing import PackedWeights, gradients
from graphnet.core.run.numpy_backend.thread_policy import of_program
from graphnet.core.run.numpy_backend.workspace import Block, Workspace


@dataclass(eq=False)
class Tape:
    """What the way back needs of one forward pass, besides the workspace that it holds."""

    workspace: Executable
    given: dict[tuple[str, int], Array]
    fixed: list[Any]
    ended: Array | None
    lengths: Array | None


class Executable:
    """A workspace with all calls on it."""

    def __init__(self, program: Program, steps: int, batch: int, dtype: str) -> None:
        self.program = program
        self.space = Workspace(program, steps, batch, dtype)
        self.nbytes = self.space.nbytes
        self.packs = PackedWeights(program, batch, dtype)
        self.calls = BlockCalls(self.space, self.packs)
        self.phases = {name: [s for s in program.instructions if s.phase == name] for name in
                       (STATIC, BEFORE, LOOP, AFTER, BACK_BEFORE, BACK_LOOP, BACK_AFTER)}  # fmt: skip
        first = self.space.blocks[0]
        for name, _, place, _ in program.staged:
            if name == "ones":
                self.space.arrays[place.buffer][..., place.start : place.stop, :] = 1
        self.static = self.calls.actions(self.phases[STATIC], first)
        self.forward = [self._forward(block) for block in self.space.blocks]
        self.backward = [self._backward(block) for block in self.space.blocks]
        states = [(p, BufferSlice(p.buffer, p.start, p.stop, 0)) for p in program.states]
        carried = [(p, BufferSlice(p.buffer, p.start, p.stop, 0)) for p in program.carried]
        self.loop = LoopFunctions(self.phases[LOOP], self.space, self.packs, states, backward=False)
        self.back_loop = LoopFunctions(self.phases[BACK_LOOP], self.space, self.packs, carried, backward=True)
        self.emitted = [
            [self.space.whole(place, block).transpose(0, 2, 1) for place in program.emitted]
            for block in self.space.blocks
        ]
        self.initial = [self.space.at(old, 0) for _, old in states]
        self.final = [self.space.at(new, steps - 1) for new, _ in states]
        self.carried = [old for _, old in carried]
        self.arriving = [self.space.at(old, steps - 1) for _, old in carried]
        self.leaving = [self.space.at(new, 0) for new, _ in carried]

    def _forward(self, block: Block) -> tuple[list[Action], list[Action]]:
        before = [self._staging(name, int(attr), place, block)
                  for name, attr, place, way in self.program.staged if way == BEFORE]  # fmt: skip
        before += self.calls.actions(self.phases[BEFORE], block)
        return before, self.calls.actions(self.phases[AFTER], block)

    def _backward(
        self, block: Block
    ) -> tuple[list[Action], list[Action], list[tuple[list[Action], Any, list[Any], tuple[int, int]]]]:
        before = [self._staging(name, int(attr), place, block)
                  for name, attr, place, way in self.program.staged if way == BACK_BEFORE]  # fmt: skip
        before += self.calls.actions(self.phases[BACK_BEFORE], block)
        after = self.calls.actions(self.phases[BACK_AFTER], block)
        sinks = []
        for sink in self.program.accumulators:
            prepare, right = self.calls.flat(sink.right, block)
            sections: list[Any] = []
            for section in sink.terms:
                left = None
                if section.left is not None:
                    more, left = self.calls.flat(section.left, block)
                    prepare = prepare + more
                sections.append((left, *section.rows))
            sinks.append((prepare, right, sections, (sink.rows, sink.columns)))
        return before, after, sinks

    def _staging(self, name: str, index: int, place: BufferSlice, block: Block) -> Action:
        target, key = self.space.whole(place, block), (name, index)

        def action(given: Arrays) -> None:
            np.copyto(target, given[key][block.start : block.stop].transpose(0, 2, 1))

        return action

    # ------------------------------------------------------------------ running
    def load_weights(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Pack the weights of a pass; returns the values that gradients need."""
        return self.packs.fill(arrays)

    def run_static(self) -> None:
        """Compute what is the same at every step."""
        for action in self.static:
            action({})

    def run_block(
        self, number: int, given: Arrays, outputs: list[Array], held: Array | None, threads: int | None
    ) -> None:
        """Run one block forward; ``held`` (steps, batch) are the rows whose states a step must not change."""
        block = self.space.blocks[number]
        before, after = self.forward[number]
        for action in before:
            action(given)
        if self.loop.steps:
            with limited(threads):
                self.loop.run(block, held)
        for action in after:
            action(given)
        for output, source in zip(outputs, self.emitted[number], strict=True):
            np.copyto(output[block.start : block.stop], source)

    def run_block_backward(
        self, number: int, given: Arrays, ended: Array | None, waiting: DeferredErrors | None, threads: int | None
    ) -> None:
        """Run one block backward and write the errors of sequences; ``ended`` (steps, batch): rows that have ended."""
        space = self.space
        block = space.blocks[number]
        before, after, _ = self.backward[number]
        for action in before:
            action(given)
        with limited(threads):
            if self.back_loop.steps and waiting is None:
                self.back_loop.run(block)
            elif waiting is not None:
                for start, stop, rows in segments(ended):  # type: ignore[arg-type]
                    waiting.change(rows, [space.at(place, block.start + stop - 1) for place in self.carried])
                    self.back_loop.stretch(block, start, stop)
        for action in after:
            action(given)
        for k, place in enumerate(self.program.sequence_errors):
            if isinstance(place, BufferSlice):
                target = given["sequence_error", k][block.start : block.stop]
                np.copyto(target, space.whole(place, block).transpose(0, 2, 1))

    def accumulate(self, number: int, given: Arrays, sums: list[Any], counted: Any) -> None:
        """Add the sums over the rows of a block to ``sums``; ``counted`` selects rows (None: all)."""
        _, _, sinks = self.backward[number]
        for k, (prepare, right, sections, shape) in enumerate(sinks):
            for action in prepare:
                action(given)
            sums[k] = self._sum(sums[k], right(given), sections, shape, counted, given)

    @staticmethod
    def _sum(before: Any, right: Array, sections: list[Any], shape: tuple[int, int], counted: Any, given: Any) -> Any:
        """The sums over the rows of a block, added to those of the blocks before."""
        if counted is not None:
            right = right[counted]
        if not len(right):
            return before
        total = np.empty(shape, right.dtype)
        for left, first, last in sections:
            if left is None:
                np.add.reduce(right, 0, None, total[first])
                continue
            rows = left(given) if counted is None else left(given)[counted]
            np.dot(rows.T, right, total[first:last])
        return total if before is None else np.add(before, total, before)


class BoundProgram:
    """A program with the workspace that it runs in: the bound plan's, and so that of the pass which owns this plan.

    Parameters
    ----------
    program : Program
    steps, batch : int
    options : BindOptions
    """

    #: The gradients count the uses of the weights in so many last steps; None: in all.
    bptt_length: int | None = None

    def __init__(self, program: Program, steps: int, batch: int, options: BindOptions) -> None:
        self.program, self.steps, self.batch, self.options = program, steps, batch, options
        self.draws = [(attr, place) for name, attr, place, _ in program.staged if name == "draw"]
        self._workspace: Executable | None = None
        self.threads = of_program(program, steps, batch, options.dtype)
        #: Multiply-adds of its largest product, of those in its loops if it has any.
        self.work = self.threads.loops or self.threads.outside
        self.turns = lock_for(self.work)
        self.flushed: AbstractContextManager[None] = Flushed()

    def workspace(self) -> Executable:
        """The workspace; made when it is first asked for, and after ``drop``."""
        if self._workspace is None:
            make = self.options.executable or Executable
            self._workspace = make(self.program, self.steps, self.batch, self.options.dtype)
        return self._workspace

    def idle(self) -> int:
        """Bytes of its arrays."""
        return 0 if self._workspace is None else self._workspace.nbytes

    def drop(self) -> None:
        """Give them back."""
        self._workspace = None

    # ------------------------------------------------------------------ forward
    def run_forward(
        self, given: dict[tuple[str, int], Array], run: RunContext, lengths: Array | None, enter: Any, draw: Any
    ) -> tuple[Tape, list[Array]]:
        """All blocks forward; what the way back needs, and the emitted outputs ``(steps, batch, features)``."""
        bound = self.workspace()
        space, program = bound.space, self.program
        fixed = bound.load_weights(run.arrays)
        ended = self.ended(lengths)
        held = self.held(ended)
        if enter is not None:
            enter(bound)
        if self.draws:
            draw(space, run)
        bound.run_static()
        outputs = [np.empty((self.steps, self.batch, p.width), space.dtype) for p in program.emitted]
        with self.turns, self.flushed:
            for number, block in enumerate(space.blocks):
                self.turns.rest()
                self.carry_on(space, number)
                rows = None if held is None else held[block.start : block.stop]
                bound.run_block(number, given, outputs, rows, self.threads.in_loops)
        return Tape(bound, given, fixed, ended, lengths), outputs

    def ended(self, lengths: Array | None) -> Array | None:
        """Which rows have ended at which step, in the order of processing."""
        return None if lengths is None else np.arange(self.steps)[:, None] >= lengths

    def held(self, ended: Array | None) -> Array | None:
        """The rows whose states a step must leave as they were, for each step."""
        return ended

    def carry_on(self, space: Workspace, number: int) -> None:
        """Bring the states from the end of one block to the beginning of the next."""
        if number == 0:
            return
        before = space.blocks[number - 1]
        for place in self.program.states:
            if space.kind(place) == "block":
                array = space.arrays[place.buffer][:, place.start : place.stop]
                array[0] = array[before.steps]

    # ------------------------------------------------------------------ backward
    def run_backward(
        self, tape: Tape, given: dict[tuple[str, int], Array], run: RunContext, wait: bool = False
    ) -> list[Array | None]:
        """All blocks on the way back: fills the errors of sequences in ``given``; returns those of the contexts.

        ``wait`` says that errors arrive at the final states, which must wait where rows have ended; without, nothing
        arrives there and zeros go through.
        """
        program, space = self.program, tape.workspace.space
        for k, wanted in enumerate(program.sequence_errors):
            if wanted is not None:
                given["sequence_error", k] = np.empty((self.steps, self.batch, wanted.width), space.dtype)
        contexts: list[Any] = [None] * len(program.context_errors)
        sums: list[Any] = [None] * len(program.accumulators)
        waiting = DeferredErrors(tape.workspace.arriving) if tape.ended is not None and wait else None
        with self.turns, self.flushed:
            for number in range(len(space.blocks) - 1, -1, -1):
                self.turns.rest()
                block = space.blocks[number]
                rows = None if tape.ended is None else tape.ended[block.start : block.stop]
                tape.workspace.run_block_backward(number, given, rows, waiting, self.threads.in_loops)
                for k, context in enumerate(program.context_errors):
                    if context is not None:
                        part = space.whole(context, block).sum(0)
                        contexts[k] = part if contexts[k] is None else contexts[k] + part
                tape.workspace.accumulate(number, given, sums, self.counted(tape.lengths, block))
        if waiting is not None:
            waiting.end(tape.workspace.leaving)
        self.collect(gradients(program, sums, tape.fixed, self.options.dtype), run)
        return contexts

    def counted(self, lengths: Array | None, block: Block) -> Any:
        """The rows of a block that count in the gradients: a slice, or a truth value for each."""
        last = self.bptt_length
        if last is None or last >= self.steps:
            return None
        if lengths is None:
            first = max(0, self.steps - last - block.start)
            return slice(first * self.batch, None) if first else None
        steps = np.arange(block.start, block.stop)[:, None]
        return (steps >= lengths - last).reshape(-1)

    @staticmethod
    def collect(found: dict[tuple[str, str], Array], run: RunContext) -> None:
        for (owner, name), gradient in found.items():
            total = run.gradients.setdefault(owner, {})
            if name in total:
                total[name] = total[name] + gradient
            else:
                total[name] = np.asarray(gradient, order="C")  # ascontiguousarray makes numbers vectors
