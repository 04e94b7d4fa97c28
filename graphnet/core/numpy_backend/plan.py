"""A plan bound to shapes, a dtype and a phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from graphnet.core.compiler import Shapes
from graphnet.core.numpy_backend.call import BoundCall
from graphnet.core.numpy_backend.compiled import CompiledProgram
from graphnet.core.numpy_backend.ends import ends_of
from graphnet.core.numpy_backend.loop import BoundLoop
from graphnet.core.numpy_backend.padded import PaddedStep, padded
from graphnet.core.numpy_backend.region import BoundRegion, regions
from graphnet.core.numpy_backend.rows import Rows
from graphnet.core.numpy_backend.scan import BoundScan
from graphnet.core.numpy_backend.setting import Run, Setting
from graphnet.core.numpy_backend.values import Values
from graphnet.core.plan import Call, Plan


class BoundPlan:
    """The steps of a plan, bound.

    Parameters
    ----------
    wanted : list of bool
        For which inputs errors are wanted; steps that lead to none, and have no weights, are skipped on the way back.
    nested : bool
        Whether this is the plan of a cell, whose steps run many times a pass: nothing in it may keep arrays of its own.
    """

    def __init__(self, plan: Plan, shapes: Shapes, setting: Setting, wanted: list[bool], nested: bool = False) -> None:
        needs = [*wanted, *[False] * (plan.slots - len(wanted))]
        self.steps: list[BoundCall | BoundLoop | BoundScan | BoundRegion] = []
        make = BoundLoop if nested else BoundScan
        for step in plan.steps:
            if isinstance(step, Call):
                call = BoundCall(step, shapes, setting, any(needs[i] for i in step.inputs if i is not None))
                self.steps.append(call)
                leads, outputs = call.wanted or call.trained, step.outputs
            else:
                self.steps.append(make(step, shapes, setting, needs))
                leads, outputs = True, (*step.outputs, *step.finals)
            for slot in outputs:
                needs[slot] = leads
        if not nested and setting.compiled:
            self.steps = regions(plan, self.steps, shapes, setting, needs)
        self.shapes, self.setting = shapes, setting

    def _programs(self) -> Iterator[CompiledProgram]:
        for step in self.steps:
            if isinstance(step, (BoundScan, BoundRegion)):
                made = [*step.made.values(), *(step.exact.values() if isinstance(step, BoundScan) else ())]
                yield from (one for one in made if isinstance(one, CompiledProgram))

    def idle(self) -> int:
        """Bytes of arrays that no pass holds."""
        return sum(program.idle() for program in self._programs())

    def drop(self) -> None:
        """Give those back; they are made again when they are needed."""
        for program in self._programs():
            program.drop()

    @cached_property
    def padded(self) -> list[PaddedStep]:
        """The same steps, for passes in which rows end early."""
        return [padded(step, self.shapes, self.setting) for step in self.steps]

    def start(self, run: Run) -> None:
        """Look up what stays the same for a whole run."""
        run.ends = ends_of(run.lengths, self.shapes)
        for step in self.steps:
            step.start(run)

    def chosen(self, run: Run) -> Sequence[Any]:
        """The steps that a pass runs."""
        return self.padded if run.ends else self.steps

    def forward(self, slots: list[Any], run: Run) -> list[Any]:
        """Fill ``slots`` in order; returns what the backward pass needs, an entry a step, if the run keeps it.

        Inputs whose rows end early hold zeros beyond the ends.
        """
        values: Any = Values(slots, self.shapes, run) if run.ends else slots
        if run.keep:
            return [step.forward(values, run) for step in self.chosen(run)]
        for step in self.chosen(run):
            step.forward(values, run)
        return []

    def backward(self, tape: list[Any], errors: list[Any], run: Run, rows: Rows = None) -> None:
        """Fill ``errors`` from the outputs back to the inputs and add to the run's gradients.

        The errors of outputs, and those of inputs, are zero beyond the rows' ends.
        """
        for step, saved in zip(reversed(self.chosen(run)), reversed(tape), strict=True):
            step.backward(saved, errors, run, rows)
