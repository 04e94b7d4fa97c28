"""A plan bound to shapes, a dtype and a phase, which runs node by node."""

from __future__ import annotations

from typing import Any

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Plan
from graphnet.core.concurrency.blas_threads import PROCESS, limit_for, limited
from graphnet.core.concurrency.time_slices import NoLock, lock_for
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.reference.slot_values import SlotValues
from graphnet.core.run.reference.steps import BindLoop, BoundSteps
from graphnet.core.run.row_masks import Rows
from graphnet.core.run.thread_policy import combined


class BoundPlan(BoundSteps):
    """The steps of a whole plan, which limits the BLAS threads; one pass at a time runs in it, from ``start`` to the
    last ``backward``.
    """

    reports = True

    def __init__(
        self,
        plan: Plan,
        shapes: Shapes,
        options: BindOptions,
        wanted: list[bool],
        bind_loop: BindLoop = BoundLoop,
    ) -> None:
        super().__init__(plan, shapes, options, wanted, bind_loop)
        self._limits: dict[bool, tuple[int | None, list[int | None]]] = {}
        #: What a Runner keeps from one pass in this plan to the next; dropped when one starts with other arrays.
        self.kept: Any = None

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for a whole pass."""
        self.kept = None
        super().start(run)

    def repeatable(self, keep: bool) -> bool:
        """Whether passes of whole rows may run one after the other without a new start."""
        return False

    def direct(self, keep: bool) -> Any:
        """A :class:`graphnet.core.run.numpy_backend.direct.DirectPlan` that runs passes of whole rows, or None."""
        return None

    # ------------------------------------------------------------------ memory
    def idle(self) -> int:
        """Bytes of the arrays that are kept for the next pass; called while no pass runs."""
        return 0

    def drop(self) -> None:
        """Release those arrays; they are allocated again when they are needed."""

    # ------------------------------------------------------------------ threads
    def limits(self, keep: bool) -> tuple[int | None, list[int | None]]:
        """The BLAS threads of a pass, with a backward pass or without, and of each step where the first is None."""
        if keep not in self._limits:
            PROCESS.refresh()  # a layer of this graph may have loaded another BLAS library
            policies = list(self.policies(keep))
            self._limits[keep] = combined(self.options.dtype, policies).whole, [policy.whole for policy in policies]
        return self._limits[keep]

    def lock(self, keep: bool) -> NoLock:
        """The lock of a whole pass, with a backward pass or without: that of small programs if no product is large."""
        return lock_for(max((policy.loops or policy.outside for policy in self.policies(keep)), default=0))

    # ------------------------------------------------------------------ running
    def forward(self, slots: list[Any], run: RunContext) -> list[Any]:
        """As :meth:`BoundSteps.forward`, with the BLAS threads limited."""
        whole, step_limits = self._limits.get(run.keep) or self.limits(run.keep)
        limit = limit_for(whole)
        if whole and limit is None:
            return super().forward(slots, run)
        with limited(whole):
            return super().forward(slots, run) if whole else self._forward_by_step(slots, run, step_limits)

    def _forward_by_step(self, slots: list[Any], run: RunContext, limits: list[int | None]) -> list[Any]:
        """The same with a limit for each step."""
        values: Any = SlotValues(slots, self.shapes, run) if run.ends else slots
        tape = []
        for step, threads in zip(self.chosen(run), limits, strict=True):
            with limited(threads):
                saved = step.forward(values, run)
            if run.keep:
                tape.append(saved)
        return tape

    def backward(self, tape: list[Any], errors: list[Any], run: RunContext, rows: Rows = None) -> None:
        """As :meth:`BoundSteps.backward`, with the BLAS threads limited."""
        whole, step_limits = self.limits(True)
        with limited(whole):
            if whole:
                super().backward(tape, errors, run, rows)
                return
            listener, number = collective.listener(), len(tape)
            steps = zip(reversed(self.chosen(run)), reversed(tape), reversed(step_limits), strict=True)
            for step, saved, threads in steps:
                with limited(threads):
                    step.backward(saved, errors, run, rows)
                if listener is not None:
                    number -= 1
                    self.report(number, listener, run)
