"""A pass of the reference backend that records every value and every error of one Scan, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ShapeError, StateError
from graphnet.core.phase import Phase
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.reference.plan import BoundPlan
from graphnet.core.run.reference.steps import BindLoop, BoundSteps
from graphnet.core.run.row_masks import Rows, add
from graphnet.core.run.runner import Runner

Slots = dict[int, Any]


@dataclass
class StepRecord:
    """What happened in one step of a cell.

    Attributes
    ----------
    values, errors : dict of slot to array
        The values, and the sums of the errors that reached them; without those that no error reached.
    parts : dict of (path of a node, slot) to array
        The part of the error of a slot that came from this node.
    ends : list of array or None
        The error that reached each output of the cell: of this step, and, for states, from the next one.
    """

    values: Slots
    errors: Slots = field(default_factory=dict)
    parts: dict[tuple[str, int], Any] = field(default_factory=dict)
    ends: list[Any] = field(default_factory=list)


@dataclass
class Trace:
    """The steps of one pass of a Scan, in the order of time; of a Scan in a Scan, those of the last outer step."""

    path: str
    plan: Plan | None = None
    steps: list[StepRecord] = field(default_factory=list)
    reverse: bool = False
    note: str = ""


def traced(graph: Graph, path: str, inputs: Mapping[str, Any]) -> Trace:
    """Run a graph forward and backward, and record the Scan at ``path``.

    It runs in the test phase; if a layer cannot yet (statistics that no training has set), in the train phase. The
    gradient is that of the sum of all outputs.

    Raises
    ------
    ShapeError
        If the sequences have no step, or the inputs do not fit.
    """
    record = Trace(path)
    runner = Runner(graph, backend=TracingBackend(record))
    note = "Run by the backend reference, in the test phase."
    try:
        outputs = runner.forward(inputs, phase=Phase.test)
    except StateError as error:
        note = f"Run by the backend reference, in the train phase, because the test phase cannot be run: {error}"
        outputs = runner.forward(inputs, phase=Phase.train)
    record.note = f"{note} L is the sum of all outputs of the graph."
    if not record.steps:
        raise ShapeError("there is no step to trace", where=f"trace, node {path!r}", expected="at least 1 time step")
    runner.backward({name: np.ones_like(array) for name, array in outputs.items()})
    return record


class TracingBackend:
    """The reference backend, with a record of one Scan."""

    def __init__(self, record: Trace) -> None:
        self.record = record

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> Any:
        """Bind a plan; see :class:`graphnet.core.run.backends.Backend`."""
        bind_loop = partial(_TracedLoop, record=self.record)
        return BoundPlan(plan, shapes, replace(options, compiled=False), wanted, bind_loop)


class _TracedLoop(BoundLoop):
    """A Scan that is recorded if its path is that of the record."""

    def __init__(self, step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool], record: Trace) -> None:
        self.record, self.traced = record, step.path == record.path
        super().__init__(step, shapes, options, wanted)

    def bind_body(self, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> BoundSteps:
        bind_loop = partial(_TracedLoop, record=self.record)
        if not self.traced:
            return BoundSteps(self.step.cell, shapes, options, wanted, bind_loop)
        self.record.plan = self.step.cell
        return _TracedSteps(self.step.cell, shapes, options, wanted, bind_loop, self.record)

    def run_whole(self, *arguments: Any) -> tuple[list[Any], list[Any]]:
        if not self.traced:
            return super().run_whole(*arguments)
        self.record.steps, self.record.reverse = [], self.step.reverse
        found = super().run_whole(*arguments)
        if self.step.reverse:
            self.record.steps.reverse()
        return found

    def step_errors(self, t: int, outputs: list[Any], carried: list[Any], live: Rows) -> list[Any]:
        if self.traced and not self.record.steps[t].ends:
            emitted = [None if error is None else error[t] for error in outputs]
            ends = [*emitted, *carried]
            self.record.steps[t].ends = [None if error is None else np.array(error) for error in ends]
            self.body.current = self.record.steps[t]  # type: ignore[attr-defined]
        return super().step_errors(t, outputs, carried, live)


class _TracedSteps(BoundSteps):
    """The steps of the cell; each node's part of an error is computed alone, then added to the others."""

    def __init__(
        self,
        plan: Plan,
        shapes: Shapes,
        options: BindOptions,
        wanted: list[bool],
        bind_loop: BindLoop,
        record: Trace,
    ) -> None:
        super().__init__(plan, shapes, options, wanted, bind_loop)
        self.record = record
        #: The step that is run backward; None once it has been, in later passes over the same record.
        self.current: StepRecord | None = None

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        tape = super().forward(slots, run)
        values = {slot: np.array(value) for slot, value in enumerate(slots) if value is not None}
        self.record.steps.append(StepRecord(values))
        return tape

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows = None) -> None:
        found, self.current = self.current, None
        for step, bound, saved in zip(reversed(self.plan.steps), reversed(self.steps), reversed(tape), strict=True):
            alone: list[Any] = [None] * len(errors)
            for written in step_outputs(step):
                alone[written] = errors[written]
            bound.backward(saved, alone, run, rows)
            for slot in dict.fromkeys(step_inputs(step)):
                if slot is not None and alone[slot] is not None:
                    add(errors, slot, alone[slot])
                    if found is not None:
                        found.parts[step.path, slot] = np.array(alone[slot])
        if found is not None:
            found.errors = {slot: np.array(error) for slot, error in enumerate(errors) if error is not None}


def step_inputs(step: Call | Loop) -> tuple[int | None, ...]:
    """The slots that a step of a plan reads, in the order of the layer's inputs."""
    return step.inputs if isinstance(step, Call) else (*step.sequences, *step.initial, *step.contexts)


def step_outputs(step: Call | Loop) -> tuple[int, ...]:
    """The slots that it writes, in the order of the layer's outputs."""
    return step.outputs if isinstance(step, Call) else (*step.outputs, *step.finals)
