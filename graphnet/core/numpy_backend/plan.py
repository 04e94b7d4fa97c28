"""A plan bound to shapes, a dtype and a phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphnet.core.compiler import Shapes
from graphnet.core.numpy_backend.call import BoundCall
from graphnet.core.numpy_backend.compiled import CompiledProgram
from graphnet.core.numpy_backend.loop import BoundLoop
from graphnet.core.numpy_backend.region import BoundRegion, regions
from graphnet.core.numpy_backend.rows import Rows
from graphnet.core.numpy_backend.scan import BoundScan
from graphnet.core.numpy_backend.setting import Run, Setting
from graphnet.core.plan import Call, Plan


class BoundPlan:
    """The steps of a plan, bound; one pass at a time runs in it, from ``start`` to the last ``backward``.

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

    def _programs(self) -> Iterator[CompiledProgram]:
        for step in self.steps:
            if isinstance(step, (BoundScan, BoundRegion)):
                yield from (made for made in step.made.values() if isinstance(made, CompiledProgram))

    def idle(self) -> int:
        """Bytes of the arrays that passes run in; asked for while no pass does."""
        return sum(program.idle() for program in self._programs())

    def drop(self) -> None:
        """Give those back; they are made again when they are needed."""
        for program in self._programs():
            program.drop()

    def start(self, run: Run) -> None:
        """Look up what stays the same for a whole run."""
        for step in self.steps:
            step.start(run)

    def forward(self, slots: list[Any], run: Run) -> list[Any]:
        """Fill ``slots`` in order; returns what the backward pass needs, an entry a step, if the run keeps it."""
        if run.keep:
            return [step.forward(slots, run) for step in self.steps]
        for step in self.steps:
            step.forward(slots, run)
        return []

    def backward(self, tape: list[Any], errors: list[Any], run: Run, rows: Rows = None) -> None:
        """Fill ``errors`` from the outputs back to the inputs and add to the run's gradients."""
        for step, saved in zip(reversed(self.steps), reversed(tape), strict=True):
            step.backward(saved, errors, run, rows)
