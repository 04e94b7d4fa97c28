"""The computation of rank 0: every batch is divided over the ranks, and repeated when one of them is lost."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import GraphnetWarning, WorkerError
from graphnet.data.batches import Batch
from graphnet.training.computation import OneProcess
from graphnet.training.distributed.comparison import Comparison, Result
from graphnet.training.distributed.group import Group
from graphnet.training.distributed.replica import Computed, Replica
from graphnet.training.distributed.task import Task, packed
from graphnet.training.distributed.weights import SentWeights
from graphnet.training.nonfinite.batch_start import BatchStart, stores_with_buffers
from graphnet.training.totals import Totals, valid_targets


class Leader:
    """Computes batches with the other ranks of a group, which have no state of the run.

    Parameters
    ----------
    group : Group
    feed : Feed
    alone : OneProcess
        Computes a batch in this process.
    new_totals : callable
        Makes totals of losses and metrics.
    draws : bool
        Whether anything may draw random numbers.
    comparison : Comparison or None
        Compares the first batch with the result of one process.
    """

    def __init__(
        self,
        group: Group,
        feed: Any,
        alone: OneProcess,
        new_totals: Callable[[], Totals],
        draws: bool,
        comparison: Comparison | None,
    ) -> None:
        self.group, self.communicator = group, group.communicator
        self.feed, self.alone, self.new_totals = feed, alone, new_totals
        self.draws, self.comparison = draws, comparison
        self.runner = group.runner
        self.replica = Replica(self.runner, group.setup.settings)
        self.weights = SentWeights(self.runner)
        self._stores = stores_with_buffers(self.runner)
        self._computed: Computed | None = None
        self.group.introduce()

    # ------------------------------------------------------------------ a batch
    def forward(self, batch: Batch, totals: Totals) -> tuple[float, bool]:
        """As :meth:`Computation.forward`; the gradients are computed as well."""
        self._computed = None
        if self.communicator.changed:
            self._regroup({})
        start = BatchStart(self.feed, self._stores)
        expected, unexplained = self._expected(batch, start), 0
        while self.communicator.size > 1:
            try:
                computed = self._compute(batch, totals)
            except WorkerError as error:
                start.rewind(self.feed)
                self._regroup({}, error)
                continue
            bad = computed.failures or any(not np.isfinite(g).all() for g in computed.gradients.values())
            if not bad:
                self._computed = computed
                if expected is not None and self.comparison is not None:
                    self.comparison.check(expected, self._result(computed))
                    self.comparison = None
                return self._added(batch, computed, totals)
            start.rewind(self.feed)
            failed = _failed(computed.failures)
            unexplained += not failed
            if unexplained == 1 and not failed:  # something was lost on its way
                continue
            if not self._finite_alone(batch, start) or not self._drop(failed):
                break
        return self.alone.forward(batch, totals)

    def backward(self) -> None:
        """As :meth:`Computation.backward`."""
        if self._computed is None:
            self.alone.backward()
            return
        parameters = self.runner.parameters
        for path, gradient in self._computed.gradients.items():
            parameters[path].gradient = gradient

    def _compute(self, batch: Batch, totals: Totals) -> Computed:
        """Compute a batch with all ranks."""
        truncated = self.feed.truncated
        window = None
        if truncated is not None:
            truncated.advance(batch)
            window = list(truncated.recent)
        weights, changed = self.weights.changed()
        whole = batch if truncated is not None else None
        task = Task(
            weights,
            changed,
            dict(random.generator().bit_generator.state) if self.draws else None,
            None if whole is not None else batch.positions,
            batch.rows,
            whole,
            window,
            outputs=bool(totals.metrics) and not self.group.setup.settings.metrics,
        )
        self.communicator.broadcast(packed(self.communicator, task))
        computed = self.replica.compute(task, batch, self.communicator)
        if truncated is not None:
            truncated.end_with(computed.states)
        return computed

    def _added(self, batch: Batch, computed: Computed, totals: Totals) -> tuple[float, bool]:
        """Add the result of all ranks to the totals, as those of one process."""
        loss = 0.0
        for name, (value, terms) in computed.values.items():
            totals.add_loss(name, value, terms)
            loss += totals.loss_weights[name] * value
        if computed.output is None:
            totals.merge_metrics(computed.metrics, batch.rows)
        else:
            masks = valid_targets(totals.losses, computed.shapes, batch)
            totals.update_metrics({totals.main: computed.output}, batch, masks)
        return loss, bool(computed.values)

    # ------------------------------------------------------------------ faults
    def _regroup(self, drop: Mapping[int, str], error: WorkerError | None = None) -> None:
        self.group.regroup(drop, error)
        self.group.introduce()
        self.weights.forget()

    def _finite_alone(self, batch: Batch, start: BatchStart) -> bool:
        """Whether this process alone computes a finite loss and finite gradients."""
        result = self._alone(batch, start)
        return math.isfinite(result.loss) and all(np.isfinite(each).all() for each in result.gradients.values())

    def _alone(self, batch: Batch, start: BatchStart) -> Result:
        """What this process alone computes for a batch; nothing else has changed then."""
        gradients: dict[str, Array] = {}
        try:
            loss, trains = self.alone.forward(batch, self.new_totals())
            if trains:
                self.alone.backward()
                gradients = {path: p.known_gradient().copy() for path, p in self.runner.parameters.items()}
            return Result(loss, gradients, dict(self.runner.buffers))
        finally:
            start.rewind(self.feed)

    def _expected(self, batch: Batch, start: BatchStart) -> Result | None:
        """For the first batch that several ranks compute, what this process alone computes."""
        if self.comparison is None or self.communicator.size == 1:
            return None
        return self._alone(batch, start)

    def _result(self, computed: Computed) -> Result:
        loss = sum(self.new_totals().loss_weights[name] * value for name, (value, _) in computed.values.items())
        return Result(loss, computed.gradients, dict(self.runner.buffers))

    def _drop(self, ranks: list[int]) -> bool:
        """Drop ranks whose numbers are not finite; returns whether there are any."""
        if not ranks:
            message = "numbers that are not finite in one process only; this batch was computed by rank 0 alone"
            warnings.warn(f"data-parallel training: {message}", GraphnetWarning, stacklevel=3)
            return False
        self._regroup(dict.fromkeys(ranks, "its numbers are not finite, those of rank 0 for the same rows are"))
        return True


def _failed(failures: Mapping[int, int]) -> list[int]:
    """The ranks whose numbers were the first that are not finite, other than 0; none if that was everywhere."""
    first = min(failures.values(), default=0)
    ranks = [rank for rank, number in failures.items() if number == first]
    return [] if 0 in ranks else ranks
