"""Neighbouring nodes outside Scans as one program: planned buffers, and no call of a layer's rules in a pass.

For the program a row is a step, and there is no state: everything is computed in blocks of rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.compile.pipeline import EVERY, compile_program
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.compile.program import BufferSlice, Program
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.describe.layer import rules_key
from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.bound_program import BoundProgram, Tape
from graphnet.core.run.numpy_backend.executable import Executable
from graphnet.core.run.numpy_backend.fallback import attempt
from graphnet.core.run.numpy_backend.whole_pass import Slots, WholePass, WholeTape, collect
from graphnet.core.run.numpy_backend.workspace import Workspace
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.call_trace import subplan, untraceable
from graphnet.core.run.row_masks import Rows, add
from graphnet.core.run.thread_policy import ThreadPolicy, combined

#: Fewer neighbouring nodes than this run one by one, because a program copies its inputs and outputs.
MIN_NODES = 3


def with_regions(
    plan: Plan, bound: Sequence[Any], shapes: Shapes, options: BindOptions, needs_error: list[bool]
) -> list[Any]:
    """The bound steps of a plan, neighbours that can be traced joined to regions."""
    joined: list[Any] = []
    uses = Counter(slot for step in plan.steps for slot in inputs_of(step))
    emitted = {slot for _, slot in plan.outputs}
    traceable: dict[Any, bool] = options.shared.setdefault("traceable", {})
    for calls, bound_calls in _runs(plan, bound, shapes, options, needs_error, traceable):
        if len(calls) < MIN_NODES:
            joined += bound_calls
            continue
        inside = Counter(slot for call in calls for slot in inputs_of(call))
        read = {slot for call in calls for slot in call.outputs if slot in emitted or uses[slot] > inside[slot]}
        joined.append(BoundRegion(calls, bound_calls, shapes, options, read, needs_error))
    return joined


def inputs_of(step: Call | Loop) -> list[int]:
    """The slots that a step reads."""
    inputs = step.inputs if isinstance(step, Call) else (*step.sequences, *step.initial, *step.contexts)
    return [i for i in inputs if i is not None]


def _runs(
    plan: Plan,
    bound: Sequence[Any],
    shapes: Shapes,
    options: BindOptions,
    needs_error: list[bool],
    traceable: dict[Any, bool],
) -> list[tuple[list[Any], list[Any]]]:
    """The steps and the bound steps in runs: neighbours that can be traced and have the same rows; others alone."""
    runs: list[tuple[list[Any], list[Any]]] = []
    previous: Any = None
    for step, bound_step in zip(plan.steps, bound, strict=True):
        rows = _rows(step, shapes, options, needs_error, traceable) if isinstance(step, Call) else None
        if rows is not None and rows == previous:
            runs[-1][0].append(step)
            runs[-1][1].append(bound_step)
        else:
            runs.append(([step], [bound_step]))
        previous = rows
    return runs


def _rows(call: Call, shapes: Shapes, options: BindOptions, needs_error: list[bool], traceable: dict[Any, bool]) -> Any:
    """The sizes of the row axes of a call that can be traced; None for any other."""
    inputs = [None if i is None else shapes.slots[i] for i in call.inputs]
    outputs = [shapes.slots[i] for i in call.outputs]
    if any(shape is None or shape.rank < 2 or not shape.known for shape in (*inputs, *outputs)):
        return None
    layer = options.layers[call.layer]
    wanted = tuple(needs_error[i] for i in call.inputs if i is not None)
    ragged = call.inputs[0] is not None and shapes.lengths[call.inputs[0]] is not None
    key = (
        rules_key(layer) or (type(layer), repr(layer)),
        tuple(shape.sizes for shape in inputs if shape),
        wanted,
        ragged,
    )
    if key not in traceable:
        traceable[key] = untraceable(call, shapes, options, needs_error) is None
    return outputs[0].sizes[:-1] if traceable[key] and outputs[0] is not None else None


class BoundRegion:
    """Several steps of a plan: run by a program, or one by one where it cannot be made.

    Parameters
    ----------
    steps : sequence of Call
    calls : sequence of BoundCall
        The same steps, bound one by one.
    shapes : Shapes
    options : BindOptions
    read : set of int
        The slots that other steps read.
    needs_error : list of bool
        For each slot of the plan.

    Attributes
    ----------
    reasons : dict of bool to str or None
        Why they run one by one, by whether a backward pass follows; None where they are compiled.
    programs : dict of bool to RegionProgram or None
        By whether a backward pass follows.
    """

    def __init__(
        self,
        steps: Sequence[Call],
        calls: Sequence[BoundCall],
        shapes: Shapes,
        options: BindOptions,
        read: set[int],
        needs_error: list[bool],
    ) -> None:
        self.steps, self.calls, self.options = list(steps), list(calls), options
        self.plan, self.shapes, self.inputs, self.outputs = subplan(steps, shapes, read)
        self.wanted = tuple(needs_error[slot] for slot in self.inputs)
        origins = (shapes.lengths[slot] for slot in self.inputs)
        self.origin = next((origin for origin in origins if origin is not None), None)
        self.reasons: dict[bool, str | None] = {}
        #: Whether random arrays are repeated beyond the rows' ends; not where any finite numbers serve.
        self.repeats_draws = True
        self.programs: dict[bool, RegionProgram | None] = {}

    def spec(self, backward: bool) -> TraceSpec:
        """What is traced: the steps, whose inputs are all sequences of rows."""
        s = self.options
        roles = tuple(("sequence", i) for i in range(len(self.inputs)))
        return TraceSpec(
            self.plan, self.shapes, s.layers, s.phase, s.dtype, roles, self.wanted, len(self.outputs), backward
        )

    def program(self, keep: bool) -> RegionProgram | None:
        """The program, with a backward pass or without; None where the steps run one by one."""
        if keep not in self.programs:
            self.programs[keep], self.reasons[keep] = attempt(lambda: self._compile(keep), self.path)
        return self.programs[keep]

    def compiled(self) -> Iterator[RegionProgram]:
        """The programs that were compiled so far."""
        for program in self.programs.values():
            if program is not None:
                yield program

    def whole(self, keep: bool) -> bool:
        """Whether passes are one call a direction."""
        program = self.program(keep)
        return program is not None and program.executable().whole is not None

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with."""
        program = self.program(keep)
        if program is not None:
            return program.policy(keep)
        return combined(self.options.dtype, [call.policy(keep) for call in self.calls])

    @property
    def path(self) -> str:
        """The first and the last node."""
        return f"{self.steps[0].path} … {self.steps[-1].path}"

    def _compile(self, keep: bool) -> RegionProgram:
        program = RegionProgram(self, keep)
        program.executable()  # everything that can fail does so here, and not in the middle of a pass
        return program

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole pass."""
        if self.program(run.keep) is None:
            for call in self.calls:
                call.start(run)

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots that other steps read; returns the values saved for backward."""
        program = self.programs[run.keep]
        if program is not None:
            return program.forward(slots, run)
        return [call.forward(slots, run) for call in self.calls]

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of the inputs and to the gradients."""
        if not isinstance(saved, list):
            program = self.programs[True]
            assert program is not None
            program.backward(saved, errors, run)
            return
        for call, call_saved in zip(reversed(self.calls), reversed(saved), strict=True):
            call.backward(call_saved, errors, run, rows)


class RegionProgram(BoundProgram):
    """The program of a region, for some rows.

    Raises
    ------
    Untraceable
        If a rule cannot be traced.
    """

    def __init__(self, region: BoundRegion, backward: bool) -> None:
        options, spec = region.options, region.spec(backward)
        self.inputs, self.outputs, self.region = region.inputs, region.outputs, region
        shapes = region.shapes.slots
        self.input_sizes = [tuple(n or 0 for n in shapes[i].sizes) for i in range(len(region.inputs))]  # type: ignore[union-attr]
        self.output_sizes = [tuple(n or 0 for n in shapes[slot].sizes) for _, slot in region.plan.outputs]  # type: ignore[union-attr]
        super().__init__(self._program(spec, options), math.prod(self.output_sizes[0][:-1]), 1, options)
        # Subnormal results are kept, as by the same nodes run one by one.
        self.flushed = nullcontext()

    def _program(self, spec: TraceSpec, options: BindOptions) -> Program:
        """The program of the region: one for all bound plans of these shapes."""
        key = (tuple(step.path for step in self.region.steps), spec.backward)
        if key not in options.shared:
            options.shared[key] = compile_program(spec, EVERY if options.passes is None else options.passes)
        program: Program = options.shared[key]
        return program

    def slots(self) -> Slots:
        """Where its arrays are among the slots of the plan."""
        inputs = zip(self.inputs, self.input_sizes, strict=True)
        return Slots(list(inputs), list(zip(self.outputs, self.output_sizes, strict=True)))

    def forward(self, slots: list[Any], run: RunContext) -> Tape | WholeTape:
        """Fill the slots of the outputs; returns the values saved for backward."""
        executable = self._executable or self.executable()
        if executable.whole is not None:
            return self._whole_forward(executable, executable.whole, slots, run)
        values = executable.load_weights(run.arrays)
        if self.draws:
            self.draw(executable.workspace, run)
        arrays = {("sequence", k): self.rows(slots[i]) for k, i in enumerate(self.inputs)}
        outputs = self.run_forward(executable, arrays, run)
        for slot, array, shape in zip(self.outputs, outputs, self.output_sizes, strict=True):
            slots[slot] = array.reshape(shape)
        return Tape(executable, arrays, values, None, None)

    def _whole_forward(self, executable: Executable, whole: WholePass, slots: list[Any], run: RunContext) -> WholeTape:
        """The same as one call."""
        values = whole.load_weights(run.arrays)
        if self.draws:
            self.draw(executable.workspace, run)
        outputs, _, alive = whole.forward([self.rows(slots[slot]) for slot in self.inputs], (), ())
        for slot, array, shape in zip(self.outputs, outputs, self.output_sizes, strict=True):
            slots[slot] = array.reshape(shape)
        return WholeTape(whole, values, alive)

    def backward(self, tape: Tape | WholeTape, errors: list[Any], run: RunContext) -> None:
        """Add to the errors of the inputs and to the gradients."""
        output_errors = [errors[slot] for slot in self.outputs]
        if all(error is None for error in output_errors):
            return
        if isinstance(tape, WholeTape):
            given = [None if error is None else self.rows(error) for error in output_errors]
            input_errors, _, gradients = tape.whole.backward(given, (), (), tape.values)
            for slot, shape, error in zip(self.inputs, self.input_sizes, input_errors, strict=True):
                if error is not None:
                    add(errors, slot, error.reshape(shape))
            collect(gradients, run)
            return
        arrays = dict(tape.arrays)
        for k, (error, target) in enumerate(zip(output_errors, self.program.emitted, strict=True)):
            zeros = (self.steps, 1, target.width)
            arrays["emitted_error", k] = np.zeros(zeros, self.options.dtype) if error is None else self.rows(error)
        self.run_backward(tape, arrays, run)
        for k, (slot, shape) in enumerate(zip(self.inputs, self.input_sizes, strict=True)):
            error = arrays.get(("sequence_error", k))
            if error is not None:
                add(errors, slot, error.reshape(shape))

    @staticmethod
    def rows(array: Array) -> Array:
        """An array as ``(rows, 1, features)``."""
        return np.ascontiguousarray(array).reshape(-1, 1, array.shape[-1])

    def draw(self, workspace: Workspace, run: RunContext) -> None:
        """Draw all random arrays in the order of the nodes; a row's last ones may be repeated beyond its end."""
        ends = run.ends_at(self.region.origin) if self.region.repeats_draws else None
        rng = run.generator()
        targets: dict[tuple[str, str], list[tuple[str, BufferSlice]]] = {}
        for (path, owner, name), target in self.draws:
            targets.setdefault((path, owner), []).append((name, target))
        for step in self.region.plan.steps:
            assert isinstance(step, Call)
            step_targets = targets.get((step.path, step.layer))
            if step_targets:
                shapes = [None if i is None else self.region.shapes.slots[i] for i in step.inputs]
                arrays = collective.drawn(self.options.layers[step.layer], rng, shapes)
                for name, target in step_targets:
                    room = workspace.arrays[target.buffer][:, target.start : target.stop, 0]
                    drawn = arrays[name] if ends is None else ends.repeated(arrays[name])
                    room[...] = drawn.reshape(room.shape)
