"""A plan bound to shapes, a dtype and a phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Plan
from graphnet.core.concurrency.blas_threads import PROCESS, limited
from graphnet.core.concurrency.time_slices import NoLock, lock_for
from graphnet.core.describe.shapes import Shape
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.bound_program import BoundProgram
from graphnet.core.run.numpy_backend.region import BoundRegion, regions
from graphnet.core.run.numpy_backend.scan import BoundScan
from graphnet.core.run.numpy_backend.thread_policy import ThreadPolicy, combined, of_rules
from graphnet.core.run.padding import row_ends
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.reference.ragged_steps import RaggedStep, padded
from graphnet.core.run.reference.slot_values import SlotValues
from graphnet.core.run.row_masks import Rows

BoundStep = BoundCall | BoundLoop | BoundScan | BoundRegion


class BoundPlan:
    """The steps of a plan, bound; one pass at a time runs in it, from ``start`` to the last ``backward``.

    Parameters
    ----------
    wanted : list of bool
        For which inputs errors are wanted; steps that lead to none, and have no weights, are skipped on the way back.
    nested : bool
        Whether this is the plan of a cell, whose steps run many times a pass: nothing in it may keep arrays of its own.
    """

    def __init__(
        self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool], nested: bool = False
    ) -> None:
        needs = [*wanted, *[False] * (plan.slot_count - len(wanted))]
        self.steps: list[BoundStep] = []
        self.nested, self.dtype = nested, options.dtype
        self._limits: dict[bool, tuple[int | None, list[int | None]]] = {}
        make = BoundLoop if nested else BoundScan
        for step in plan.steps:
            if isinstance(step, Call):
                call = BoundCall(step, shapes, options, any(needs[i] for i in step.inputs if i is not None))
                self.steps.append(call)
                leads, outputs = call.wanted or call.trained, step.outputs
            else:
                self.steps.append(make(step, shapes, options, needs))
                leads, outputs = True, (*step.outputs, *step.finals)
            for slot in outputs:
                needs[slot] = leads
        if not nested and options.compiled:
            self.steps = regions(plan, self.steps, shapes, options, needs)
        self.shapes, self.options = shapes, options

    def _programs(self) -> Iterator[BoundProgram]:
        for step in self.steps:
            if isinstance(step, (BoundScan, BoundRegion)):
                made = [*step.made.values(), *(step.exact.values() if isinstance(step, BoundScan) else ())]
                yield from (one for one in made if isinstance(one, BoundProgram))

    def idle(self) -> int:
        """Bytes of the arrays that passes run in; asked for while no pass does."""
        return sum(program.idle() for program in self._programs())

    def drop(self) -> None:
        """Give those back; they are made again when they are needed."""
        for program in self._programs():
            program.drop()

    @cached_property
    def padded(self) -> list[RaggedStep]:
        """The same steps, for passes in which rows end early."""
        return [padded(step, self.shapes, self.options) for step in self.steps]

    def turns(self, keep: bool) -> NoLock:
        """What a whole pass enters, with a backward pass or without: the turns of small ones if no product is large."""
        policies = [policy(step, keep) for step in self.steps]
        return lock_for(max((each.loops or each.outside for each in policies), default=0))

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole run."""
        run.ends = row_ends(run.lengths, self.shapes)
        for step in self.steps:
            step.start(run)

    # ------------------------------------------------------------------ running
    def chosen(self, run: RunContext) -> Sequence[Any]:
        """The steps that a pass runs."""
        return self.padded if run.ends else self.steps

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """Fill ``slots`` in order; returns what the backward pass needs, an entry a step, if the run keeps it.

        Inputs whose rows end early hold zeros beyond the ends.
        """
        values: Any = SlotValues(slots, self.shapes, run) if run.ends else slots
        if self.nested:  # the plan around it has limited the threads
            return self._forward(values, run)
        whole, each = self.limits(run.keep)
        with limited(whole):
            return self._forward(values, run) if whole else self._forward_apart(values, run, each)

    def _forward(self, values: Any, run: RunContext) -> list[Any]:
        if run.keep:
            return [step.forward(values, run) for step in self.chosen(run)]
        for step in self.chosen(run):
            step.forward(values, run)
        return []

    def _forward_apart(self, values: Any, run: RunContext, limits: list[int | None]) -> list[Any]:
        """The same with a number of threads for each step."""
        tape = []
        for step, threads in zip(self.chosen(run), limits, strict=True):
            with limited(threads):
                saved = step.forward(values, run)
            if run.keep:
                tape.append(saved)
        return tape

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows = None) -> None:
        """Fill ``errors`` from the outputs back to the inputs and add to the run's gradients.

        The errors of outputs, and those of inputs, are zero beyond the rows' ends.
        """
        if self.nested:
            self._backward(tape, errors, run, rows)
            return
        whole, each = self.limits(True)
        with limited(whole):
            if whole:
                self._backward(tape, errors, run, rows)
                return
            for step, saved, threads in zip(reversed(self.chosen(run)), reversed(tape), reversed(each), strict=True):
                with limited(threads):
                    step.backward(saved, errors, run, rows)

    def _backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows) -> None:
        for step, saved in zip(reversed(self.chosen(run)), reversed(tape), strict=True):
            step.backward(saved, errors, run, rows)

    # ------------------------------------------------------------------ threads
    def limits(self, keep: bool) -> tuple[int | None, list[int | None]]:
        """The BLAS threads for a pass, with a backward pass or without, and for each step where that is None."""
        if keep not in self._limits:
            PROCESS.refresh()  # a layer of this graph may have brought a library of its own
            policies = [policy(step, keep) for step in self.steps]
            self._limits[keep] = combined(self.dtype, policies).whole, [each.whole for each in policies]
        return self._limits[keep]


def policy(step: BoundStep, keep: bool) -> ThreadPolicy:
    """Which BLAS threads a step runs with; ``keep`` says whether a backward pass follows."""
    if isinstance(step, BoundScan):
        made = step.loop(keep)
        return made.threads if isinstance(made, BoundProgram) else policy(made, keep)
    if isinstance(step, BoundLoop):
        body = step.body
        return combined(body.dtype, [policy(inner, keep) for inner in body.steps]).looped()
    if isinstance(step, BoundRegion):
        program = step.program(keep)
        if program is not None:
            return program.threads
        return combined(step.options.dtype, [policy(call, keep) for call in step.calls])
    weights = [parameter.value.shape for parameter in step.layer.params.values()]
    return of_rules(step.dtype, _sizes(step.given), _sizes(step.expected), weights)


def _sizes(shapes: Iterable[Shape | None]) -> list[tuple[int, ...]]:
    return [tuple(n or 0 for n in shape.sizes) for shape in shapes if shape is not None]
