"""A program on a workspace: every call with its arguments, in lists and generated loops, ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from graphnet.core.describe.parameter import Array
from graphnet.core.run.numpy_backend.block_calls import Action, Arrays, BlockCalls
from graphnet.core.run.numpy_backend.loop_functions import LoopFunctions
from graphnet.core.run.numpy_backend.packing import PackedWeights
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

    Attributes
    ----------
    workspace : Workspace
    packs : PackedWeights
    static : list of callable
        The calls of a pass that depend on no step.
    forward : list of (list of callable, list of callable)
        For each block, the calls before its loop and after it.
    backward : list of BlockBackward
    loop, back_loop : LoopFunctions
    emitted : list of list of array
        For each block, the emitted outputs ``(steps, batch, units)``.
    initial, final : list of array
        The states ``(units, batch)`` before the first step and after the last one.
    final_errors, initial_errors : list of array
        The errors of the same states.
    """

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

    @property
    def nbytes(self) -> int:
        """Bytes of the workspace."""
        return self.workspace.nbytes

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


def _current(target: BufferSlice) -> BufferSlice:
    """The same units at the current step."""
    return BufferSlice(target.buffer, target.start, target.stop, 0)
