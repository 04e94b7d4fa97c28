"""The loops of a program as generated functions, called with lists of views that were sliced beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    STATIC_BUFFER,
    STEP_BUFFER,
    BufferSlice,
    Expanded,
    Instruction,
    InvalidProgram,
    Operand,
    PackRef,
    Scalar,
)
from graphnet.core.compile.trace.ufuncs import KEYWORD_OUTPUT, UFUNCS
from graphnet.core.describe.parameter import Array
from graphnet.core.run.numpy_backend.codegen import LoopSource, scalar
from graphnet.core.run.numpy_backend.packing import PackedWeights
from graphnet.core.run.numpy_backend.shape_checks import check_product, check_slice, check_widths
from graphnet.core.run.numpy_backend.unit_views import UnitView, reduction, unit_views
from graphnet.core.run.numpy_backend.workspace import KEPT_VIEWS, Block, Workspace

#: The key of the rows that have ended, among the arrays that differ by step.
ENDED = "ended"

Loop = Callable[[Sequence[Any]], None]


class LoopFunctions:
    """The loop of one direction, and a second one, forward only, in which some rows have ended.

    Parameters
    ----------
    steps : list of Instruction
    workspace : Workspace
    packs : PackedWeights
    held : list of (BufferSlice, BufferSlice)
        Pairs (new, old) for each state: forward, where a row has ended, new takes the value of old.
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
        self._scalars: dict[float, Any] = {}
        self._products: dict[tuple[int, int], Any] = {}
        #: The views of each loop by block: of the plain one by its start, of the masked one by the start's complement.
        self._views: dict[int, list[Any]] = {}
        self._constants: dict[tuple[BufferSlice | PackRef, bool, UnitView | None], Array] = {}
        self._reductions: dict[Any, Any] = {}
        self._loop, self._keys = self._generate(masked=False)
        self._masked: tuple[Loop, list[Any]] | None = None

    # ------------------------------------------------------------------ generating
    def _generate(self, masked: bool) -> tuple[Loop, list[Any]]:
        """A loop, and the keys of the arrays that differ by step."""
        source = LoopSource()
        for step in self.steps:
            self._add(source, step)
        if masked:
            self._add_hold(source)
        return source.function(), source.varying

    def _add_hold(self, source: LoopSource) -> None:
        """Let rows that have ended keep their states."""
        copyto = source.constant(np.copyto)
        for new, old in self.held:
            ended = source.variable(ENDED)
            source.lines.append(f"{copyto}({self._name(source, new)}, {self._name(source, old)}, where={ended})")

    def _add(self, source: LoopSource, step: Instruction) -> None:
        """Add the lines of one instruction."""
        if step.name == "dot":
            self._add_dot(source, step)
            return
        views = unit_views(step, self._width)
        if views is not None:
            view, of_operands = views
            output = self._name(source, step.output, self.flat, view)
            pairs = zip(step.operands, of_operands, strict=True)
            operands = [self._name(source, operand, self.flat, view) for operand, view in pairs]
        else:
            check_widths(step, lambda number: len(self.packs.arrays[number]))
            output = self._name(source, step.output)
            operands = [self._name(source, operand) for operand in step.operands]
        if step.name == "reduce_axis":
            source.call(self._reduction(step), operands[0], output)
        elif step.name in ("copy", "permute"):
            source.lines.append(f"{output}[...] = {operands[0]}")
        elif step.name == "where":
            condition, a, b = operands
            source.lines.append(f"{output}[...] = {b}")
            source.lines.append(f"{source.constant(np.copyto)}({output}, {a}, where={condition})")
        elif step.name == "reduce":
            source.call(UFUNCS[str(step.attr)].reduce, operands[0], "0", "None", output, "True")
        else:
            named = step.name in KEYWORD_OUTPUT
            source.call(UFUNCS[step.name], *operands, f"out={output}" if named else output)

    def _reduction(self, step: Instruction) -> Any:
        """The function of a reduction; the same object each time, because the source refers to it."""
        return self._reductions.setdefault(step.attr, reduction(step, not self.flat))

    def _width(self, operand: Operand) -> int:
        if isinstance(operand, Scalar):
            return 1
        return len(self.packs.arrays[operand.pack]) if isinstance(operand, PackRef) else operand.width

    def _add_dot(self, source: LoopSource, step: Instruction) -> None:
        rows, weights = step.operands
        assert isinstance(weights, PackRef) and isinstance(step.output, BufferSlice)
        check_product(step, self.packs.shape(weights.pack))
        output = self._name(source, step.output, self.flat)
        right = self._name(source, rows, self.flat)
        product = self._product(weights.pack)
        if not step.add:
            source.call(product, right, output)
            return
        term = np.zeros((step.output.width, self.workspace.batch), self.workspace.dtype)
        term = term[:, 0] if self.flat else term
        source.call(product, right, source.constant(term))
        source.call(np.add, output, source.constant(term), output)

    def _product(self, number: int) -> Any:
        """The product with a pack: the array's method, which is faster to call than ``np.dot``."""
        key = (number, id(self.packs.arrays[number]))
        if key not in self._products:
            self._products[key] = self.packs.arrays[number].dot
        return self._products[key]

    def _name(
        self, source: LoopSource, operand: Operand | Any, flat: bool = False, view: UnitView | None = None
    ) -> str:
        """The name of an operand in the source text."""
        if isinstance(operand, Scalar):
            return source.constant(self._scalar(operand.value))
        if isinstance(operand, PackRef):
            return source.constant(self._constant(operand, flat, view))
        if isinstance(operand, Expanded):
            operand = operand.source
        assert isinstance(operand, BufferSlice)
        check_slice(self.workspace.at(operand, 0), operand, None, self.workspace.batch)
        if self.workspace.kind(operand) in (STATIC_BUFFER, STEP_BUFFER):
            return source.constant(self._constant(operand, flat, view))
        return source.variable((operand, flat, view))

    def _constant(self, operand: Any, flat: bool, view: UnitView | None) -> Array:
        """The view of a slice or pack that is the same at every step; the same object each time."""
        key = (operand, flat, view)
        if key not in self._constants:
            packed = isinstance(operand, PackRef)
            array = self.packs.arrays[operand.pack] if packed else self.workspace.at(operand, 0)
            array = array[:, 0] if flat else array
            self._constants[key] = array if view is None else view.of(array, -1 if flat else -2)
        return self._constants[key]

    def _scalar(self, value: float) -> Any:
        if value not in self._scalars:
            self._scalars[value] = scalar(value, self.workspace.dtype)
        return self._scalars[value]

    # ------------------------------------------------------------------ running
    def run(self, block: Block, ended: Array | None = None) -> None:
        """Run all steps of a block; ``ended`` (steps, batch) are the rows that have ended, forward; None: none."""
        if ended is None or not ended.any():
            self._loop(self._views.get(block.start) or self.views(block))
            return
        first = int(np.argmax(ended.any(axis=1)))
        if first:
            self._loop([arrays[:first] for arrays in self.views(block)])
        if self._masked is None:
            self._masked = self._generate(masked=True)
        function, keys = self._masked
        views = self._views.get(~block.start)
        if views is None:
            views = [None if key == ENDED else self._steps(key, block) for key in keys]
            if self.workspace.steps <= KEPT_VIEWS:
                self._views[~block.start] = views
        function([list(ended[first:]) if arrays is None else arrays[first:] for arrays in views])

    def run_segment(self, block: Block, start: int, stop: int) -> None:
        """Run some steps of a block, backward."""
        views = self.views(block)
        self._loop([arrays[block.steps - stop : block.steps - start] for arrays in views])

    def views(self, block: Block) -> list[Any]:
        """For each array that differs by step, its views at the steps of a block."""
        views = self._views.get(block.start)
        if views is None:
            views = [self._steps(key, block) for key in self._keys] or [range(block.steps)]
            if self.workspace.steps <= KEPT_VIEWS:
                self._views[block.start] = views
        return views

    def _steps(self, key: Any, block: Block) -> Sequence[Array]:
        operand, flat, view = key
        arrays: Sequence[Array] = self.workspace.each(operand, block, flat, self.backward)
        if view is not None:
            arrays = [view.of(array, -1 if flat else -2) for array in arrays]
        if len(arrays) != block.steps:
            raise InvalidProgram(f"{operand} has {len(arrays)} steps of a block of {block.steps}")
        return arrays
