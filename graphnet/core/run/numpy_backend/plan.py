"""A plan bound to shapes, a dtype and a phase, which runs compiled programs where it can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop, Plan
from graphnet.core.concurrency.time_slices import NO_LOCK, NoLock
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.bound_program import BoundProgram
from graphnet.core.run.numpy_backend.direct import DirectPlan, direct_plan
from graphnet.core.run.numpy_backend.ragged_region import RaggedRegion
from graphnet.core.run.numpy_backend.region import BoundRegion, inputs_of, with_regions
from graphnet.core.run.numpy_backend.scan import BoundScan
from graphnet.core.run.numpy_backend.scan_program import ScanProgram
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.plan import BoundPlan
from graphnet.core.run.reference.ragged_steps import RaggedStep
from graphnet.core.run.reference.steps import BoundSteps
from graphnet.core.run.row_masks import Rows


class CompiledPlan(BoundPlan):
    """A bound plan whose Scans, and whose neighbouring nodes outside Scans, run programs."""

    def __init__(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> None:
        super().__init__(plan, shapes, options, wanted, BoundScan)
        self.steps = with_regions(plan, self.steps, shapes, options, self.needs_error)
        outputs = {slot for _, slot in plan.outputs}
        read = {slot for step in plan.steps for slot in inputs_of(step)} | outputs
        # A context is read whole, and its error need not be zero beyond the rows' ends.
        given = outputs.union(*(step.contexts for step in plan.steps if isinstance(step, Loop)))
        for step in self.steps:
            if isinstance(step, BoundScan):
                step.read, step.given = read, given
        self._whole: dict[bool, bool] = {}
        self._direct: dict[bool, DirectPlan | None] = {}

    # ------------------------------------------------------------------ steps that are single calls
    def whole(self, keep: bool) -> bool:
        """Whether every step is one call a direction for whole rows: no BLAS, and no interpreter in between."""
        if keep not in self._whole:
            self._whole[keep] = all(
                isinstance(step, (BoundScan, BoundRegion)) and step.whole(keep) for step in self.steps
            )
        return self._whole[keep]

    def lock(self, keep: bool) -> NoLock:
        """As :meth:`BoundPlan.lock`; steps that are single calls need none."""
        return NO_LOCK if self.whole(keep) else super().lock(keep)

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """As :meth:`BoundPlan.forward`."""
        if run.ends or not self.whole(run.keep):
            return super().forward(slots, run)
        return BoundSteps.forward(self, slots, run)

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows = None) -> None:
        """As :meth:`BoundPlan.backward`."""
        if run.ends or not self.whole(True):
            super().backward(tape, errors, run, rows)
        else:
            BoundSteps.backward(self, tape, errors, run, rows)

    def direct(self, keep: bool) -> DirectPlan | None:
        """Passes of whole rows from slot to slot; None if these steps need more than that."""
        if keep not in self._direct:
            self._direct[keep] = direct_plan(self.steps, keep) if self.whole(keep) else None
        return self._direct[keep]

    def repeatable(self, keep: bool) -> bool:
        """Whether passes of whole rows may run one after the other without a new start."""
        for step in self.steps:
            if isinstance(step, BoundScan) and not isinstance(step.program(keep), ScanProgram):
                return False
            if isinstance(step, BoundCall) and step.updates_buffers:
                return False
        return True

    def ragged_step(self, step: Any) -> RaggedStep:
        """A step for passes in which rows end early."""
        if isinstance(step, BoundRegion):
            return RaggedRegion(step, self.shapes, self.options)
        return super().ragged_step(step)

    def programs(self) -> Iterator[BoundProgram]:
        """The programs that were compiled for it so far."""
        for step in self.steps:
            if isinstance(step, (BoundScan, BoundRegion)):
                yield from step.compiled()

    def idle(self) -> int:
        """Bytes of the arrays that are kept for the next pass; called while no pass runs."""
        return sum(program.idle() for program in self.programs())

    def drop(self) -> None:
        """Release those arrays; they are allocated again when they are needed."""
        self.kept = None
        self._direct.clear()
        for program in self.programs():
            program.drop()
