"""A program on a workspace: every call with its arguments, in lists and generated loops, ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    PHASES,
    STATIC,
    Accumulator,
    BufferSlice,
    Program,
)
from graphnet.core.concurrency.blas_threads import limited
from graphnet.core.describe.parameter import Array
from graphnet.core.run.numpy_backend.block_calls import Action, Arrays, BlockCalls
from graphnet.core.run.numpy_backend.deferred_errors import DeferredErrors, segments
from graphnet.core.run.numpy_backend.loop_functions import LoopFunctions
from graphnet.core.run.numpy_backend.packing import PackedWeights
from graphnet.core.run.numpy_backend.whole_pass import WholePass
from graphnet.core.run.numpy_backend.workspace import Block, Workspace


@dataclass(slots=True)
class Accumulation:
    """The calls that add one block to an accumulator.

    Attributes
    ----------
    prepare : list of callable
        Called first.
    right : callable
        Returns the right operand, ``(rows, columns)``.
    terms : list of (callable or None, int, int)
        The left operand (None: sum the right one), and the rows of the accumulator that it fills.
    shape : (int, int)
    """

    prepare: list[Action]
    right: Callable[[Arrays], Array]
    terms: list[tuple[Callable[[Arrays], Array] | None, int, int]]
    shape: tuple[int, int]


@dataclass(slots=True)
class BlockBackward:
    """The calls of one block in the backward pass: before its loop, after it, and the weight gradients."""

    before: list[Action]
    after: list[Action]
    accumulations: list[Accumulation]


class Executable:
    """The workspace of one program, for a number of steps and rows, and all calls on it.

    A backend that compiles programs further replaces it by a class with the attributes and the public methods below
    (``BindOptions.executable``).

    Attributes
    ----------
    workspace : Workspace
    nbytes : int
        Bytes of its arrays.
    initial, final : list of array
        The states ``(units, batch)`` before the first step and after the last one.
    final_errors, initial_errors : list of array
        The errors of the same states.
    backend : str
        The name of what runs the program, for ``explain``.
    reason : str or None
        Why it does not run on the backend that was chosen; None if it does.
    whole : WholePass or None
        Runs whole passes in one call, where the class can.
    """

    backend = "numpy"
    reason: str | None = None
    whole: WholePass | None = None

    def __init__(self, program: Program, steps: int, batch: int, dtype: str) -> None:
        self.program = program
        workspace = self.workspace = Workspace(program, steps, batch, dtype)
        self.packs = PackedWeights(program, batch, dtype)
        self._calls = BlockCalls(workspace, self.packs)
        self._phases = {phase: [i for i in program.instructions if i.phase == phase] for phase in PHASES}
        for name, _, target, _ in program.staged:
            if name == "ones":
                workspace.arrays[target.buffer][..., target.start : target.stop, :] = 1
        self.static = self._calls.actions(self._phases[STATIC], workspace.blocks[0])
        self.forward = [self._forward(block) for block in workspace.blocks]
        self.backward = [self._backward(block) for block in workspace.blocks]
        states = [(new, _current(new)) for new in program.states]
        carried = [(new, _current(new)) for new in program.carried]
        self.loop = LoopFunctions(self._phases[LOOP], workspace, self.packs, states, backward=False)
        self.back_loop = LoopFunctions(self._phases[BACK_LOOP], workspace, self.packs, carried, backward=True)
        self.emitted = [
            [workspace.whole(source, block).transpose(0, 2, 1) for source in program.emitted]
            for block in workspace.blocks
        ]
        self.initial = [workspace.at(old, 0) for _, old in states]
        self.final = [workspace.at(new, steps - 1) for new, _ in states]
        self.carried = [old for _, old in carried]
        self.final_errors = [workspace.at(old, steps - 1) for _, old in carried]
        self.initial_errors = [workspace.at(new, 0) for new, _ in carried]

        self.nbytes = workspace.nbytes

    # ------------------------------------------------------------------ running
    def load_weights(self, arrays: Mapping[str, Mapping[str, Array]]) -> list[Any]:
        """Pack the weights of a pass; returns the values of expressions that gradients need."""
        return self.packs.fill(arrays)

    def run_static(self) -> None:
        """Compute what is the same at every step."""
        for action in self.static:
            action({})

    def run_block(
        self, number: int, arrays: Arrays, outputs: list[Array], held: Array | None, threads: int | None
    ) -> None:
        """Run one block forward.

        Parameters
        ----------
        number : int
            Of the block.
        arrays : mapping of (name, index) to array
            The caller's arrays.
        outputs : list of array (steps, batch, units)
            The emitted outputs, which it fills.
        held : bool array (steps, batch) or None
            The rows whose states a step of the block leaves as they were.
        threads : int or None
            A limit of BLAS threads in the loop.
        """
        block = self.workspace.blocks[number]
        before, after = self.forward[number]
        for action in before:
            action(arrays)
        if self.loop.steps:
            if threads is None:
                self.loop.run(block, held)
            else:
                with limited(threads):
                    self.loop.run(block, held)
        for action in after:
            action(arrays)
        for output, source in zip(outputs, self.emitted[number], strict=True):
            output[block.start : block.stop] = source

    def run_block_backward(
        self, number: int, arrays: Arrays, ended: Array | None, deferred: DeferredErrors | None, threads: int | None
    ) -> None:
        """Run one block backward and fill the errors of sequences in ``arrays``.

        ``ended`` (steps, batch) are the rows that have ended, whose errors are deferred where ``deferred`` is given.
        """
        block = self.workspace.blocks[number]
        calls = self.backward[number]
        for action in calls.before:
            action(arrays)
        with limited(threads):
            self._run_back_loop(block, ended, deferred)
        for action in calls.after:
            action(arrays)
        for k, source in enumerate(self.program.sequence_errors):
            if isinstance(source, BufferSlice):
                target = arrays["sequence_error", k][block.start : block.stop]
                target[...] = self.workspace.whole(source, block).transpose(0, 2, 1)

    def _run_back_loop(self, block: Block, ended: Array | None, deferred: DeferredErrors | None) -> None:
        """Run the backward loop of a block; where errors are deferred, segment by segment."""
        if deferred is None or ended is None:
            if self.back_loop.steps:
                self.back_loop.run(block)
            return
        for start, stop, rows in segments(ended):
            last = block.start + stop - 1
            deferred.exchange(rows, [self.workspace.at(error, last) for error in self.carried])
            self.back_loop.run_segment(block, start, stop)

    def accumulate(self, number: int, arrays: Arrays, sums: list[Any], counted: Any) -> None:
        """Add the sums over the rows of a block to ``sums``; ``counted`` selects rows (None: all)."""
        for k, accumulation in enumerate(self.backward[number].accumulations):
            sums[k] = accumulated(sums[k], accumulation, counted, arrays)

    # ------------------------------------------------------------------ binding
    def _forward(self, block: Block) -> tuple[list[Action], list[Action]]:
        before = self._staging(BEFORE, block) + self._calls.actions(self._phases[BEFORE], block)
        return before, self._calls.actions(self._phases[AFTER], block)

    def _backward(self, block: Block) -> BlockBackward:
        before = self._staging(BACK_BEFORE, block) + self._calls.actions(self._phases[BACK_BEFORE], block)
        after = self._calls.actions(self._phases[BACK_AFTER], block)
        accumulations = [self._accumulation(accumulator, block) for accumulator in self.program.accumulators]
        return BlockBackward(before, after, accumulations)

    def _accumulation(self, accumulator: Accumulator, block: Block) -> Accumulation:
        prepare, right = self._calls.flat(accumulator.right, block)
        terms: list[Any] = []
        for term in accumulator.terms:
            left = None
            if term.left is not None:
                prepare_left, left = self._calls.flat(term.left, block)
                prepare = prepare + prepare_left
            terms.append((left, *term.rows))
        return Accumulation(prepare, right, terms, (accumulator.rows, accumulator.columns))

    def _staging(self, phase: str, block: Block) -> list[Action]:
        """Copies of the caller's arrays into the workspace."""
        return [self._stage(s[0], int(s[1]), s[2], block) for s in self.program.staged if s[3] == phase]

    def _stage(self, name: str, index: int, target: BufferSlice, block: Block) -> Action:
        room, key, start, stop = self.workspace.whole(target, block), (name, index), block.start, block.stop

        def action(arrays: Arrays) -> None:
            room[...] = arrays[key][start:stop].transpose(0, 2, 1)

        return action


def accumulated(before: Any, accumulation: Accumulation, counted: Any, arrays: Arrays) -> Any:
    """The sums over the rows of a block, added to those of the blocks before (None: no sums yet)."""
    for action in accumulation.prepare:
        action(arrays)
    right = accumulation.right(arrays)
    if counted is not None:
        right = right[counted]
    if not len(right):
        return before
    total = np.empty(accumulation.shape, right.dtype)
    for left, first, last in accumulation.terms:
        if left is None:
            np.add.reduce(right, 0, None, total[first])
            continue
        rows = left(arrays) if counted is None else left(arrays)[counted]
        np.dot(rows.T, right, total[first:last])
    return total if before is None else np.add(before, total, before)


def _current(target: BufferSlice) -> BufferSlice:
    """The same units at the current step."""
    return BufferSlice(target.buffer, target.start, target.stop, 0)
