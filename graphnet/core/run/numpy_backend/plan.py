"""A plan bound to shapes, a dtype and a phase, which runs compiled programs where it can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Plan
from graphnet.core.run.context import BindOptions
from graphnet.core.run.numpy_backend.bound_program import BoundProgram
from graphnet.core.run.numpy_backend.ragged_region import RaggedRegion
from graphnet.core.run.numpy_backend.region import BoundRegion, with_regions
from graphnet.core.run.numpy_backend.scan import BoundScan
from graphnet.core.run.numpy_backend.scan_program import ScanProgram
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.plan import BoundPlan
from graphnet.core.run.reference.ragged_steps import RaggedStep


class CompiledPlan(BoundPlan):
    """A bound plan whose Scans, and whose neighbouring nodes outside Scans, run programs."""

    def __init__(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> None:
        super().__init__(plan, shapes, options, wanted, BoundScan)
        self.steps = with_regions(plan, self.steps, shapes, options, self.needs_error)

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
        for program in self.programs():
            program.drop()
