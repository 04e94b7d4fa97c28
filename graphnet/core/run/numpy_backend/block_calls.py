"""The instructions of a program outside its loops, as calls over all steps of a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphnet.core.compile.program import (
    RING_BUFFER,
    STATIC_BUFFER,
    STEP_BUFFER,
    BufferSlice,
    Expanded,
    ExternalArray,
    Instruction,
    InvalidProgram,
    Operand,
    PackRef,
    Scalar,
)
from graphnet.core.compile.trace.ufuncs import KEYWORD_OUTPUT, UFUNCS
from graphnet.core.describe.parameter import Array
from graphnet.core.run.numpy_backend.codegen import scalar
from graphnet.core.run.numpy_backend.packing import PackedWeights
from graphnet.core.run.numpy_backend.shape_checks import check_product, check_slice, check_widths
from graphnet.core.run.numpy_backend.unit_views import UnitView, reduction, unit_views
from graphnet.core.run.numpy_backend.workspace import Block, Workspace

#: The caller's arrays of a pass: sequences, errors of outputs, errors of sequences; ``(steps, batch, features)``.
Arrays = Mapping[tuple[str, int], Array]
#: One call, with its arguments.
Action = Callable[[Arrays], object]


class BlockCalls:
    """Builds the calls of one block and one phase after the other."""

    def __init__(self, workspace: Workspace, packs: PackedWeights) -> None:
        self.workspace, self.packs = workspace, packs
        self.scratch: dict[Any, Array] = {}
        outputs = [
            s.output for s in workspace.program.instructions if s.name == "dot" and isinstance(s.output, BufferSlice)
        ]
        self.widest = max((buffer_slice.width for buffer_slice in outputs), default=0)
        self.gathered: dict[BufferSlice, Array] = {}
        self.views: dict[tuple[int, int, int, int, int], Array] = {}
        self.scalars: dict[float, Any] = {}

    # ------------------------------------------------------------------ one phase of a block
    def actions(self, steps: list[Instruction], block: Block) -> list[Action]:
        """The calls of some instructions, in order."""
        calls: list[Action] = []
        self.gathered = {}
        for step in steps:
            if step.name == "dot":
                calls += self.dot(step, block)
            else:
                calls.append(self.elementwise(step, block))
            self.forget(step.output)
        return calls

    def forget(self, output: Operand) -> None:
        """Forget the gathered copies of what an instruction has overwritten."""
        for buffer_slice in [p for p in self.gathered if isinstance(output, BufferSlice) and overlap(p, output)]:
            del self.gathered[buffer_slice]

    def array(self, operand: Operand, block: Block) -> Any:
        """A slice, pack or scalar as an operand of an elementwise call over a block."""
        if isinstance(operand, BufferSlice):
            key = (operand.buffer, operand.start, operand.stop, operand.shift, block.start)
            view = self.views.get(key)
            if view is None:  # one view for all calls that read or write it, which takes less memory
                view = self.views[key] = self.squeezed(self.whole(operand, block))
            return view
        if isinstance(operand, PackRef):
            return self.squeezed(self.packs.arrays[operand.pack])
        assert isinstance(operand, Scalar)
        if operand.value not in self.scalars:
            self.scalars[operand.value] = scalar(operand.value, self.workspace.dtype)
        return self.scalars[operand.value]

    def whole(self, buffer_slice: BufferSlice, block: Block) -> Array:
        """A slice over all steps of a block, its shape checked."""
        array: Array = self.workspace.whole(buffer_slice, block)
        kind = self.workspace.kind(buffer_slice)
        if kind in (STEP_BUFFER, RING_BUFFER):
            raise InvalidProgram(f"{buffer_slice} of a {kind} buffer is read or written outside its loop")
        check_slice(array, buffer_slice, None if kind == STATIC_BUFFER else block.steps, self.workspace.batch)
        return array

    def pack_units(self, number: int) -> int:
        """The units of a pack of vectors."""
        return len(self.packs.arrays[number])

    def squeezed(self, array: Array) -> Array:
        """Drop the axis of a batch of one, because numpy iterates over fewer axes faster."""
        return array[..., 0] if self.workspace.batch == 1 else array

    def elementwise(self, step: Instruction, block: Block) -> Action:
        views = unit_views(step, self.width)
        if views is not None:
            return self.on_axes(step, block, *views)
        check_widths(step, self.pack_units)
        out = self.array(step.output, block)
        args = [self.array(o, block) for o in step.operands]
        if any(a.ndim > out.ndim for a in args):
            raise InvalidProgram(f"{step.name} reads a value of every step into one without a time axis: {step.output}")
        return bound(step, args, out, -1 if self.workspace.batch == 1 else -2)

    def width(self, operand: Operand) -> int:
        """The units of an operand."""
        if isinstance(operand, Scalar):
            return 1
        return self.pack_units(operand.pack) if isinstance(operand, PackRef) else operand.width

    def on_axes(self, step: Instruction, block: Block, view: Any, views: list[Any]) -> Action:
        """An instruction whose units are viewed with several axes."""
        batched = self.workspace.batch > 1
        position = -2 if batched else -1

        def array(operand: Operand, view: UnitView | None) -> Any:
            source = self.array(operand.source if isinstance(operand, Expanded) else operand, block)
            return source if view is None else view.of(source, position)

        out = array(step.output, view)
        args = [array(operand, view) for operand, view in zip(step.operands, views, strict=True)]
        timeless = step.name not in ("reduce_axis", "permute") and any(
            isinstance(o, (BufferSlice, Expanded)) and a.ndim > out.ndim
            for o, a in zip(step.operands, args, strict=True)
        )
        if timeless:
            raise InvalidProgram(f"{step.name} reads a value of every step into one without a time axis: {step.output}")
        if step.name == "reduce_axis":
            reduce, x = reduction(step, batched), args[0]
            return lambda arrays: reduce(x, out)
        if step.name == "permute":
            x = args[0]
            return lambda arrays: np.copyto(out, x)
        return bound(step, args, out, position)

    # ------------------------------------------------------------------ products
    def dot(self, step: Instruction, block: Block) -> list[Action]:
        rows, weights = step.operands
        assert isinstance(weights, PackRef)
        number = weights.pack
        check_product(step, self.packs.shape(number))
        if isinstance(rows, BufferSlice) and self.workspace.kind(rows) == STATIC_BUFFER:
            return self._static_dot(step, number, block)
        prepare, flat = self.flat(rows, block)
        if isinstance(step.output, ExternalArray):
            return [*prepare, self._into_given(step.output, flat, number, block, step.add)]
        assert isinstance(step.output, BufferSlice)
        return [*prepare, self._into_place(self.whole(step.output, block), flat, number, step.add)]

    def _static_dot(self, step: Instruction, number: int, block: Block) -> list[Action]:
        """A product of values without a time axis."""
        rows, pack = step.operands[0], self.packs.arrays[number]
        assert isinstance(rows, BufferSlice) and isinstance(step.output, BufferSlice)
        a, out = self.whole(rows, block), self.whole(step.output, block)
        if out.ndim != 2 or step.add:
            raise InvalidProgram(f"a product of a value without a time axis is wanted for every step: {step.output}")
        return [lambda arrays: np.matmul(pack, a, out)]

    def _into_given(self, output: ExternalArray, flat: Any, number: int, block: Block, add: bool) -> Action:
        # The pack is looked up in each pass, because one that needs no copy is a new array then.
        key, width, packs = (output.name, output.index), output.width, self.packs.arrays

        def action(arrays: Arrays) -> None:
            out = arrays[key][block.start : block.stop].reshape(-1, width)
            if add:
                out += np.matmul(flat(arrays), packs[number].T)
            else:
                np.matmul(flat(arrays), packs[number].T, out)

        return action

    def _into_place(self, out: Array, flat: Any, number: int, add: bool) -> Action:
        steps, width, batch = out.shape
        packs = self.packs.arrays
        if batch == 1:
            out = out[:, :, 0]
            if add:
                return lambda arrays: np.add(out, np.matmul(flat(arrays), packs[number].T), out)
            return lambda arrays: np.matmul(flat(arrays), packs[number].T, out)
        product = self._scratch("product", self.widest, width * steps * batch).reshape(width, steps * batch)
        source, target = product.reshape(width, steps, batch), out.transpose(1, 0, 2)

        def action(arrays: Arrays) -> None:
            np.matmul(packs[number], flat(arrays).T, product)
            if add:
                np.add(target, source, target)
            else:
                target[...] = source

        return action

    def _scratch(self, key: Any, units: int, numbers: int) -> Array:
        """Scratch memory for ``numbers`` elements, allocated once for ``units`` units over the longest block."""
        if key not in self.scratch:
            size = units * self.workspace.longest * self.workspace.batch
            self.scratch[key] = np.empty(size, self.workspace.dtype)
        return self.scratch[key][:numbers]

    def flat(self, operand: Operand, block: Block) -> tuple[list[Action], Callable[[Arrays], Array]]:
        """The calls to make first, and a function that returns an operand as ``(steps · batch, width)``."""
        if isinstance(operand, ExternalArray):
            key, width = (operand.name, operand.index), operand.width
            return [], lambda arrays: arrays[key][block.start : block.stop].reshape(-1, width)
        assert isinstance(operand, BufferSlice)
        whole = self.whole(operand, block)
        if whole.ndim != 3:
            raise InvalidProgram(f"{operand} has no time axis, and is read at every step")
        if whole.shape[2] == 1:
            rows = whole[:, :, 0]
            return [], lambda arrays: rows
        steps, width, batch = whole.shape
        cached = self.gathered.get(operand)
        if cached is not None:
            rows = cached
            return [], lambda arrays: rows
        room = self._scratch(operand, width, width * steps * batch).reshape(width, steps, batch)
        source = whole.transpose(1, 0, 2)
        gathered = self.gathered[operand] = room.reshape(width, steps * batch).T
        return [lambda arrays: np.copyto(room, source)], lambda arrays: gathered


def overlap(a: BufferSlice, b: BufferSlice) -> bool:
    """Whether two slices share units."""
    return a.buffer == b.buffer and a.start < b.stop and b.start < a.stop


def bound(step: Instruction, args: list[Any], out: Any, axis: int) -> Action:
    """The call of an elementwise instruction, a copy, a selection or a reduction over ``axis``."""
    if step.name == "copy":
        source = args[0]
        return lambda arrays: np.copyto(out, source)
    if step.name == "where":
        condition, a, b = args

        def choose(arrays: Arrays) -> None:
            out[...] = b
            np.copyto(out, a, where=condition)

        return choose
    if step.name == "reduce":
        reduce: Any = UFUNCS[str(step.attr)].reduce
        x = args[0]
        return lambda arrays: reduce(x, axis, None, out, True)
    function = UFUNCS[step.name]
    if len(args) == 1:
        x = args[0]
        return lambda arrays: function(x, out)
    x, y = args
    if step.name in KEYWORD_OUTPUT:
        return lambda arrays: function(x, y, out=out)
    return lambda arrays: function(x, y, out)
