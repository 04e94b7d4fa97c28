"""The loops of a program, bound: straight lines of calls on arrays that were sliced beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnet.core.compile.program import BufferSlice, Instruction, InvalidProgram, Operand, PackRef, Scalar
from graphnet.core.compile.trace.ufuncs import KEYWORD_OUTPUT, UFUNCS
from graphnet.core.describe.parameter import Array
from graphnet.core.run.numpy_backend.codegen import LoopSource, scalar
from graphnet.core.run.numpy_backend.packing import PackedWeights
from graphnet.core.run.numpy_backend.shape_checks import check_place, check_product, check_widths
from graphnet.core.run.numpy_backend.workspace import KEPT_VIEWS, Block, Workspace

#: The key of the rows that have ended, among the arrays that change by step.
ENDED = "ended"


class LoopFunctions:
    """One direction: the loop over a block where all rows run, and, forward, the one where some have ended.

    Parameters
    ----------
    steps : list of Instruction
    workspace : Workspace
    packs : PackedWeights
    held : list of (BufferSlice, BufferSlice)
        Pairs (new, old) of places of one state: forward, where a row has ended, new takes the number of old.
    backward : bool
    """

    def __init__(
        self,
        steps: list[Instruction],
        workspace: Workspace,
        packs: PackedWeights,
        held: list[tuple[BufferSlice, BufferSlice]],
        backward: bool,
    ) -> None:
        self.steps, self.workspace, self.packs = steps, workspace, packs
        self.held, self.backward = held, backward
        self.flat = workspace.batch == 1
        self.constants: dict[float, Any] = {}
        self.lists: dict[int, list[Any]] = {}
        self.lasting: dict[tuple[BufferSlice, bool], Array] = {}
        self.whole, self.whole_keys = self.built(masked=False)
        self._masked: tuple[Callable[[Sequence[Any]], None], list[Any]] | None = None

    def built(self, masked: bool) -> tuple[Callable[[Sequence[Any]], None], list[Any]]:
        """The loop, and what its changing arrays are."""
        body = LoopSource()
        for step in self.steps:
            self.line(body, step)
        if masked:
            self.hold(body)
        return body.function(), body.varying

    def hold(self, body: LoopSource) -> None:
        """After a step forward: the states of rows that have ended stay what they were."""
        copyto = body.constant(np.copyto)
        for new, old in self.held:
            ended = body.changing(ENDED)
            body.lines.append(f"{copyto}({self.name(body, new)}, {self.name(body, old)}, where={ended})")

    # ------------------------------------------------------------------ lines
    def line(self, body: LoopSource, step: Instruction) -> None:
        output = self.name(body, step.output)
        if step.name == "dot":
            self.dot(body, step)
            return
        check_widths(step, lambda number: len(self.packs.arrays[number]))
        operands = [self.name(body, o) for o in step.operands]
        if step.name == "copy":
            body.call(np.copyto, output, *operands)
        elif step.name == "where":
            condition, a, b = operands
            body.call(np.copyto, output, b)
            body.lines.append(f"{body.constant(np.copyto)}({output}, {a}, where={condition})")
        elif step.name == "reduce":
            body.call(UFUNCS[str(step.attr)].reduce, operands[0], "0", "None", output, "True")
        else:
            named = step.name in KEYWORD_OUTPUT
            body.call(UFUNCS[step.name], *operands, f"out={output}" if named else output)

    def dot(self, body: LoopSource, step: Instruction) -> None:
        rows, weights = step.operands
        assert isinstance(weights, PackRef) and isinstance(step.output, BufferSlice)
        check_product(step, self.packs.shape(weights.pack))
        pack = self.packs.arrays[weights.pack]
        output = self.name(body, step.output, self.flat)
        given = self.name(body, rows, self.flat)
        if not step.add:
            body.call(np.dot, body.constant(pack), given, output)
            return
        made = np.zeros((len(pack), self.workspace.batch), self.workspace.dtype)
        made = made[:, 0] if self.flat else made
        body.call(np.dot, body.constant(pack), given, body.constant(made))
        body.call(np.add, output, body.constant(made), output)

    def name(self, body: LoopSource, operand: Operand | Any, flat: bool = False) -> str:
        """The name of an operand in the text."""
        if isinstance(operand, Scalar):
            return body.constant(self.number(operand.value))
        if isinstance(operand, PackRef):
            return body.constant(self.packs.arrays[operand.pack])
        assert isinstance(operand, BufferSlice)
        check_place(self.workspace.at(operand, 0), operand, None, self.workspace.batch)
        if self.workspace.kind(operand) in ("static", "step"):
            return body.constant(self.fixed(operand, flat))
        return body.changing((operand, flat))

    def fixed(self, place: BufferSlice, flat: bool) -> Array:
        """The one view of a place that does not change; the same object each time."""
        if (place, flat) not in self.lasting:
            array = self.workspace.at(place, 0)
            self.lasting[place, flat] = array[:, 0] if flat else array
        return self.lasting[place, flat]

    def number(self, value: float) -> Any:
        if value not in self.constants:
            self.constants[value] = scalar(value, self.workspace.dtype)
        return self.constants[value]

    # ------------------------------------------------------------------ running
    def run(self, block: Block, ended: Array | None = None) -> None:
        """All steps of a block; ``ended`` (steps, batch) says, forward, which rows have ended; None for none."""
        first = block.steps if ended is None else int(np.argmax(ended.any(axis=1))) if ended.any() else block.steps
        if first == block.steps:
            self.whole(self.views(block))
            return
        if first:
            self.whole([one[:first] for one in self.views(block)])
        assert ended is not None
        if self._masked is None:
            self._masked = self.built(masked=True)
        function, keys = self._masked
        known = self.lists.get(~block.start)  # no start of a block is negative: those of the other loop
        if known is None:
            known = [None if key == ENDED else self.each(key, block) for key in keys]
            if self.workspace.steps <= KEPT_VIEWS:
                self.lists[~block.start] = known
        function([list(ended[first:]) if one is None else one[first:] for one in known])

    def stretch(self, block: Block, start: int, stop: int) -> None:
        """Some steps of a block, on the way back."""
        lists = self.views(block)
        self.whole([one[block.steps - stop : block.steps - start] for one in lists])

    def views(self, block: Block) -> list[Any]:
        """For each changing name, its arrays at the steps of a block."""
        lists = self.lists.get(block.start)
        if lists is None:
            lists = [self.each(key, block) for key in self.whole_keys] or [range(block.steps)]
            if self.workspace.steps <= KEPT_VIEWS:
                self.lists[block.start] = lists
        return lists

    def each(self, key: Any, block: Block) -> Sequence[Array]:
        place, flat = key
        arrays = self.workspace.each(place, block, flat, self.backward)
        if len(arrays) != block.steps:
            raise InvalidProgram(f"{place} has {len(arrays)} steps of a block of {block.steps}")
        return arrays
