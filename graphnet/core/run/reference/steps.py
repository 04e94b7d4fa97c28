"""The steps of a plan, bound one by one and run in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.phase import Phase
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.padding import row_ends
from graphnet.core.run.reference.call import BoundCall
from graphnet.core.run.reference.ragged_steps import RaggedCall, RaggedScan, RaggedStep
from graphnet.core.run.reference.skipped_draws import skip_draws
from graphnet.core.run.reference.slot_values import SlotValues
from graphnet.core.run.row_masks import Rows
from graphnet.core.run.thread_policy import ThreadPolicy


class BoundStep(Protocol):
    """A bound step: a layer, a Scan, or several nodes that run as one."""

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole pass."""

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of its outputs; returns the values saved for backward."""

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of its inputs and to the gradients."""

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with; ``keep`` says whether a backward pass follows."""


class BindLoop(Protocol):
    """Binds a Loop of a plan; ``wanted`` says for each slot whether an error is wanted."""

    def __call__(self, step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> BoundStep: ...


def layer_paths(step: Any) -> Iterator[str]:
    """The layers that a step uses, bound or not, with those in the cells of Scans."""
    if isinstance(step, Call):
        yield step.layer
    elif isinstance(step, Loop):
        for inner in step.cell.steps:
            yield from layer_paths(inner)
    elif hasattr(step, "step"):
        yield from layer_paths(step.step)
    else:
        for inner in step.plan.steps:
            yield from layer_paths(inner)


class BoundSteps:
    """The steps of a plan, bound; used as it is for the plan of a cell.

    Parameters
    ----------
    plan : Plan
    shapes : Shapes
    options : BindOptions
    wanted : list of bool
        For which inputs errors are wanted. Steps that lead to none of them, and have no weights, are skipped in the
        backward pass.
    bind_loop : callable
        Binds a Loop.

    Attributes
    ----------
    steps : list of bound steps
    needs_error : list of bool
        For each slot of the plan.
    """

    def __init__(
        self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool], bind_loop: BindLoop
    ) -> None:
        self.plan, self.shapes, self.options = plan, shapes, options
        self.needs_error = [*wanted, *[False] * (plan.slot_count - len(wanted))]
        self.steps: list[BoundStep] = [self._bind(step, bind_loop) for step in plan.steps]

    def _bind(self, step: Call | Loop, bind_loop: BindLoop) -> BoundStep:
        """Bind one step, and note for its outputs whether they need an error."""
        needs = self.needs_error
        if isinstance(step, Loop):
            loop = bind_loop(step, self.shapes, self.options, needs)
            for slot in (*step.outputs, *step.finals):
                needs[slot] = True
            return loop
        call = self.bind_call(step, any(needs[i] for i in step.inputs if i is not None))
        for slot in step.outputs:
            needs[slot] = call.wanted or call.trained
        return call

    def bind_call(self, step: Call, wanted: bool) -> BoundCall:
        """Bind a layer; ``wanted`` says whether an error is passed on to its inputs."""
        return BoundCall(step, self.shapes, self.options, wanted)

    @cached_property
    def ragged(self) -> list[RaggedStep]:
        """The same steps, for passes in which rows end early."""
        return [self.ragged_step(step) for step in self.steps]

    def ragged_step(self, step: Any) -> RaggedStep:
        """One of them."""
        kind = RaggedCall if isinstance(step, BoundCall) else RaggedScan
        return kind(step, self.shapes, self.options)

    def policies(self, keep: bool) -> Iterable[ThreadPolicy]:
        """The thread policy of each step."""
        return [step.policy(keep) for step in self.steps]

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole pass."""
        if run.ends is None:
            run.ends = row_ends(run.lengths, self.shapes)
        for step in self.steps:
            step.start(run)

    def chosen(self, run: RunContext) -> Sequence[Any]:
        """The steps that a pass runs."""
        return self.ragged if run.ends else self.steps

    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """Fill ``slots`` in order; returns what each step saved for backward if the pass keeps it.

        Inputs whose rows end early hold zeros beyond the ends.
        """
        steps: Sequence[Any] = self.steps
        values: Any = slots
        if run.ends:
            steps, values = self.ragged, SlotValues(slots, self.shapes, run)
        if run.keep:
            return [step.forward(values, run) for step in steps]
        for step in steps:
            step.forward(values, run)
        return []

    def skip_draws(self, run: RunContext) -> None:
        """Draw the random arrays of one run, without running."""
        if self.options.phase is Phase.train:
            skip_draws(self.plan.steps, self.options.layers, self.shapes, run.generator, 1)

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows = None) -> None:
        """Fill ``errors`` from the outputs to the inputs and add to the gradients of the pass.

        The errors of outputs, and those of inputs, are zero beyond the rows' ends.
        """
        listener = collective.listener() if self.reports else None
        number = len(tape)
        for step, saved in zip(reversed(self.chosen(run)), reversed(tape), strict=True):
            step.backward(saved, errors, run, rows)
            if listener is not None:
                number -= 1
                self.report(number, listener, run)

    #: Whether a backward pass reports gradients that are complete: that of a whole plan, not of a cell.
    reports = False

    def report(self, number: int, listener: collective.Listener, run: RunContext) -> None:
        """Report the gradients that are complete after a step of the backward pass."""
        for path in self.completed[number]:
            listener(path, run.gradients.get(path, {}))

    @cached_property
    def completed(self) -> list[list[str]]:
        """For each step, the layers that no step before it uses."""
        first: dict[str, int] = {}
        for number, step in enumerate(self.steps):
            for path in layer_paths(step):
                first.setdefault(path, number)
        return [[path for path, at in first.items() if at == number] for number in range(len(self.steps))]
