"""Neighbouring nodes outside Scans as one program: buffers planned, errors collected, no rule called again.

To the program a row is a step, and there is no state: everything is made in blocks of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.pipeline import EVERY, compile_program
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.compile.program import BufferSlice, Program
from graphnet.core.compile.trace.ir import Trace
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.compile.trace.symbol import Untraceable
from graphnet.core.compile.trace.tracer import trace
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.bound_program import BoundProgram, Tape
from graphnet.core.run.numpy_backend.fallback import attempt
from graphnet.core.run.numpy_backend.workspace import Workspace
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.row_masks import Rows, add

#: Fewer nodes than this are called one by one: a program copies what goes in and out.
LEAST = 3


def subplan(steps: Sequence[Call], shapes: Shapes, needed: set[int]) -> tuple[Plan, Shapes, list[int], list[int]]:
    """Steps as a plan of their own, its shapes, and the slots of the outer plan that go in and come out."""
    numbers: dict[int, int] = {}
    made = {slot for step in steps for slot in step.outputs}
    inputs = list(dict.fromkeys(i for s in steps for i in s.inputs if i is not None and i not in made))
    outputs = [slot for step in steps for slot in step.outputs if slot in needed]
    for slot in (*inputs, *(slot for step in steps for slot in step.outputs)):
        numbers[slot] = len(numbers)
    inner = tuple(
        Call(
            s.path,
            s.layer,
            tuple(None if i is None else numbers[i] for i in s.inputs),
            tuple(numbers[o] for o in s.outputs),
        )
        for s in steps
    )
    names = tuple(f"input {i}" for i in range(len(inputs)))
    places = tuple(str(slot) for slot in numbers)
    plan = Plan(names, (None,) * len(inputs), tuple((str(o), numbers[o]) for o in outputs), inner, places)
    lengths = tuple(shapes.lengths[slot] for slot in numbers)
    kept = Shapes(tuple(shapes.slots[slot] for slot in numbers), lengths, {}, frozenset())
    return plan, kept, inputs, outputs


def regions(plan: Plan, bound: list[Any], shapes: Shapes, options: BindOptions, needs: list[bool]) -> list[Any]:
    """The bound steps of a plan, with neighbours that can be read put together."""
    found: list[Any] = []
    known: dict[Any, bool] = options.shared.setdefault("readable", {})
    for steps, own in _neighbours(plan, bound, shapes, options, needs, known):
        if len(steps) < LEAST:
            found += own
            continue
        inside = {id(step) for step in steps}
        read = {i for s in plan.steps if id(s) not in inside for i in _reads(s)}
        read |= {slot for _, slot in plan.outputs}
        found.append(BoundRegion(steps, own, shapes, options, read, needs))
    return found


def _reads(step: Call | Loop) -> list[int]:
    inputs = step.inputs if isinstance(step, Call) else (*step.sequences, *step.initial, *step.contexts)
    return [i for i in inputs if i is not None]


def _neighbours(
    plan: Plan, bound: list[Any], shapes: Shapes, options: BindOptions, needs: list[bool], known: dict[Any, bool]
) -> list[tuple[list[Any], list[Any]]]:
    """The steps in runs: those that can be read, on the same rows, together; every other one by itself."""
    found: list[tuple[list[Any], list[Any]]] = []
    before: Any = None
    for step, own in zip(plan.steps, bound, strict=True):
        rows = _rows(step, shapes, options, needs, known) if isinstance(step, Call) else None
        if rows is not None and rows == before:
            found[-1][0].append(step)
            found[-1][1].append(own)
        else:
            found.append(([step], [own]))
        before = rows
    return found


def _rows(step: Call, shapes: Shapes, options: BindOptions, needs: list[bool], known: dict[Any, bool]) -> Any:
    """The rows' axes of a step that can be read; None for any other."""
    given = [None if i is None else shapes.slots[i] for i in step.inputs]
    made = [shapes.slots[i] for i in step.outputs]
    if any(s is None or s.rank < 2 or not s.known for s in (*given, *made)):
        return None
    layer = options.layers[step.layer]
    wanted = tuple(needs[i] for i in step.inputs if i is not None)
    ragged = step.inputs[0] is not None and shapes.lengths[step.inputs[0]] is not None
    key = (type(layer), repr(layer), tuple(s.sizes for s in given if s), wanted, ragged)
    if key not in known:
        known[key] = unreadable(step, shapes, options, needs) is None
    return made[0].sizes[:-1] if known[key] and made[0] is not None else None


def unreadable(step: Call, shapes: Shapes, options: BindOptions, needs: list[bool]) -> str | None:
    """Why the rules of a step cannot be read; None where they can."""
    try:
        traced(step, shapes, options, needs)
    except Untraceable as reason:
        return str(reason)
    return None


def traced(step: Call, shapes: Shapes, options: BindOptions, needs: list[bool]) -> Trace:
    """The operations of the rules of a step.

    Raises
    ------
    Untraceable
    """
    plan, kept, inputs, outputs = subplan([step], shapes, set(step.outputs))
    roles = tuple(("sequence", i) for i in range(len(inputs)))
    wanted = tuple(needs[i] for i in inputs)
    return trace(TraceSpec(plan, kept, options.layers, options.phase, options.dtype, roles, wanted, len(outputs), True))


class BoundRegion:
    """Several steps of a plan, run by a program; one by one where it cannot be made.

    Parameters
    ----------
    calls : list of BoundCall
        The same steps, bound one by one.
    needed : set of int
        The slots that others read.
    needs : list of bool
        For each slot, whether an error must go on to it.
    """

    def __init__(
        self,
        steps: Sequence[Call],
        calls: Sequence[BoundCall],
        shapes: Shapes,
        options: BindOptions,
        needed: set[int],
        needs: list[bool],
    ) -> None:
        self.steps, self.calls, self.options = list(steps), list(calls), options
        self.plan, self.shapes, self.inputs, self.outputs = subplan(steps, shapes, needed)
        self.wanted = tuple(needs[slot] for slot in self.inputs)
        origins = (shapes.lengths[slot] for slot in self.inputs)
        self.origin = next((origin for origin in origins if origin is not None), None)
        self.reason: str | None = None
        self.made: dict[bool, RegionProgram | None] = {}

    def spec(self, backward: bool) -> TraceSpec:
        """What is traced: the steps, whose inputs are all sequences of rows."""
        s = self.options
        roles = tuple(("sequence", i) for i in range(len(self.inputs)))
        return TraceSpec(
            self.plan, self.shapes, s.layers, s.phase, s.dtype, roles, self.wanted, len(self.outputs), backward
        )

    def program(self, keep: bool) -> RegionProgram | None:
        """The program, with a way back or without; None where the steps are run one by one."""
        if keep not in self.made:
            self.made[keep], self.reason = attempt(lambda: self._compiled(keep), self.path)
        return self.made[keep]

    @property
    def path(self) -> str:
        """The first and the last node."""
        return f"{self.steps[0].path} … {self.steps[-1].path}"

    def _compiled(self, keep: bool) -> RegionProgram:
        region = RegionProgram(self, keep)
        region.workspace()  # all that can fail does so now, and not in the middle of a pass
        return region

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for the whole run."""
        if self.program(run.keep) is None:
            for call in self.calls:
                call.start(run)

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots that others read; returns what the way back needs."""
        program = self.made[run.keep]
        if program is not None:
            return program.forward(slots, run)
        return [call.forward(slots, run) for call in self.calls]

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of the slots that go in, and to the gradients."""
        if isinstance(saved, Tape):
            program = self.made[True]
            assert program is not None
            program.backward(saved, errors, run)
            return
        for call, kept in zip(reversed(self.calls), reversed(saved), strict=True):
            call.backward(kept, errors, run, rows)


class RegionProgram(BoundProgram):
    """The program of a region, for some rows.

    Raises
    ------
    Untraceable
        If a rule cannot be read, or rows differ.
    """

    def __init__(self, region: BoundRegion, backward: bool) -> None:
        options, spec = region.options, region.spec(backward)
        self.inputs, self.outputs, self.region = region.inputs, region.outputs, region
        shapes = region.shapes.slots
        self.shapes_in = [tuple(n or 0 for n in shapes[i].sizes) for i in range(len(region.inputs))]  # type: ignore[union-attr]
        self.shapes_out = [tuple(n or 0 for n in shapes[slot].sizes) for _, slot in region.plan.outputs]  # type: ignore[union-attr]
        super().__init__(self._program(spec, options), math.prod(self.shapes_out[0][:-1]), 1, options)
        # Subnormal results stay what they are, as in the same nodes run one by one.
        self.flushed = nullcontext()

    def _program(self, spec: TraceSpec, options: BindOptions) -> Program:
        """The program of the region: one for all bound plans of these shapes."""
        key = (tuple(step.path for step in self.region.steps), spec.backward)
        if key not in options.shared:
            options.shared[key] = compile_program(spec, EVERY if options.passes is None else options.passes)
        found: Program = options.shared[key]
        return found

    def forward(self, slots: list[Any], run: RunContext) -> Tape | None:
        """Fill the slots that come out."""
        given = {("sequence", k): self.rows(slots[i]) for k, i in enumerate(self.inputs)}
        tape, outputs = self.run_forward(given, run, None, None, self.draw)
        for slot, array, shape in zip(self.outputs, outputs, self.shapes_out, strict=True):
            slots[slot] = array.reshape(shape)
        return tape

    def backward(self, tape: Tape, errors: list[Any], run: RunContext) -> None:
        """Add to the errors of what went in, and to the gradients."""
        arrived = [errors[slot] for slot in self.outputs]
        if all(error is None for error in arrived):
            return
        given = dict(tape.given)
        for k, (error, place) in enumerate(zip(arrived, self.program.emitted, strict=True)):
            zeros = (self.steps, 1, place.width)
            given["emitted_error", k] = np.zeros(zeros, self.options.dtype) if error is None else self.rows(error)
        self.run_backward(tape, given, run)
        for k, (slot, shape) in enumerate(zip(self.inputs, self.shapes_in, strict=True)):
            found = given.get(("sequence_error", k))
            if found is not None:
                add(errors, slot, found.reshape(shape))

    @staticmethod
    def rows(array: Array) -> Array:
        """An array as ``(rows, 1, features)``."""
        return np.ascontiguousarray(array).reshape(-1, 1, array.shape[-1])

    def draw(self, space: Workspace, run: RunContext) -> None:
        """All random arrays, in the order of the nodes; beyond a row's end those of its last step are repeated."""
        ends = run.ends_at(self.region.origin)
        rng = run.generator()
        wanted: dict[tuple[str, str], list[tuple[str, BufferSlice]]] = {}
        for (path, owner, name), place in self.draws:
            wanted.setdefault((path, owner), []).append((name, place))
        for step in self.region.plan.steps:
            assert isinstance(step, Call)
            found = wanted.get((step.path, step.layer))
            if found:
                shapes = [None if i is None else self.region.shapes.slots[i] for i in step.inputs]
                made = self.options.layers[step.layer].draw(rng, *shapes)
                for name, place in found:
                    target = space.arrays[place.buffer][:, place.start : place.stop, 0]
                    drawn = made[name] if ends is None else ends.repeated(made[name])
                    target[...] = drawn.reshape(target.shape)
