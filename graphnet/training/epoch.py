"""One epoch of training: a forward pass, a backward pass and an update for each batch, then validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphnet.core.concurrency.blas_threads import limited
from graphnet.core.errors import GraphnetError, NonFiniteError
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch, Examples
from graphnet.data.datasets.stream import Stream
from graphnet.losses import Loss
from graphnet.training import evaluation
from graphnet.training.accumulation import Accumulation
from graphnet.training.averages import Averages
from graphnet.training.computation import Computation, OneProcess
from graphnet.training.config import TrainingConfig
from graphnet.training.feeds import Feed
from graphnet.training.history import EpochRecord
from graphnet.training.nonfinite.batch_guard import BatchGuard
from graphnet.training.schedule import Pace
from graphnet.training.totals import Totals
from graphnet.training.updates import Updates

#: Below this number of examples, the loss of a batch says little about the model.
FEW = 8


class CurrentEpoch:
    """An epoch that has begun.

    Parameters
    ----------
    number : int
        Counts from 1.
    totals : Totals

    Attributes
    ----------
    rate : float or None
        The learning rate.
    norm : float
        The largest norm of the gradients so far.
    batches : int
        The batches so far, each with an update unless it was skipped.
    skipped : int
        Those that were skipped.
    initial : float or None
        The loss of the first batch, if it was not skipped and had at least 8 examples.
    position : tuple of int
        That of the feed after the last update; empty before the first one.
    start : float
        ``time.perf_counter()`` at the beginning, less the time that the epoch has taken in earlier processes.
    batch_loss : float
        The loss of the last batch, with the regularization; NaN if it was skipped.
    beginning : object
        What an observer has kept when the epoch began.
    """

    def __init__(self, number: int, totals: Totals) -> None:
        self.number, self.totals = number, totals
        self.rate: float | None = None
        self.norm, self.batches, self.skipped = 0.0, 0, 0
        self.initial: float | None = None
        self.position: tuple[int, ...] = ()
        self.start = time.perf_counter()
        self.batch_loss = math.nan
        self.beginning: Any = None


class EpochRunner:
    """Runs the epochs of a training run.

    Parameters
    ----------
    runner : Runner
    config : TrainingConfig
    losses : mapping of output name to Loss
    feed : Feed
        The training data.
    validation : Examples, Stream or None
    rng : numpy.random.Generator or None
        Draws the order of the examples; None: they keep their order.

    Attributes
    ----------
    computation : Computation
        Computes the batches; in this process, unless another one is set.
    current : CurrentEpoch or None
        The present epoch; None between two epochs. One that is set is continued.
    """

    def __init__(
        self,
        runner: Runner,
        config: TrainingConfig,
        losses: Mapping[str, Loss],
        feed: Feed,
        validation: Examples | Stream | None,
        rng: np.random.Generator | None,
    ) -> None:
        self.runner, self.config, self.losses = runner, config, losses
        self.feed, self.validation, self.rng = feed, validation, rng
        self.updates = Updates(runner, config)
        self.guard = BatchGuard(runner, config, losses, feed, self.updates)
        self.computation: Computation = OneProcess(feed, self.guard)
        self.pace = Pace(config, self.updates, feed.count)
        self.accumulation = Accumulation(runner, config.accumulate)
        self.averages = Averages(runner, config.average)
        self.current: CurrentEpoch | None = None
        #: Called when an epoch begins; the result is kept as its ``beginning``.
        self.at_beginning: Callable[[], Any] = lambda: None

    def totals(self) -> Totals:
        """Totals of losses and metrics, with nothing added."""
        return Totals(self.losses, self.config.metrics, self.config.loss_weights, self.runner.operations)

    def _begin(self, epoch: int) -> CurrentEpoch:
        current = CurrentEpoch(epoch, self.totals())
        current.rate = self.pace.begin_epoch(epoch)
        current.beginning = self.at_beginning()
        return current

    def run(self, epoch: int, on_batch_end: Callable[[int, int, float], None]) -> EpochRecord:
        """Run one epoch; ``on_batch_end`` is called with the epoch, the batch and the loss so far.

        Raises
        ------
        StateError
            If the loss, or the state of an optimizer, is not finite; the message names the epoch and the batch.
        """
        current = self.current = self.current or self._begin(epoch)
        totals = current.totals
        for batch in self.feed.batches(self.rng, current.position):
            current.norm = max(current.norm, self._step_or_skip(batch, current))
            current.position = self.feed.position
            current.batches += 1
            on_batch_end(epoch, current.batches, totals.loss)
        if self.accumulation.batches:
            current.norm = max(current.norm, self._last_update(current))
        self.guard.check_epoch(current)
        validation = None
        if self.validation is not None:
            with self.averages.in_place():
                validation = evaluation.totals(self.runner, self.validation, self.losses, self.config)
        self.current = None
        record = EpochRecord(
            epoch=epoch,
            loss=totals.loss,
            metrics=totals.results(),
            validation_loss=None if validation is None else validation.loss,
            validation_metrics={} if validation is None else validation.results(),
            learning_rate=current.rate,
            gradient_norm=current.norm,
            seconds=time.perf_counter() - current.start,
            examples=totals.examples,
            skipped_batches=current.skipped,
            initial_loss=current.initial,
        )
        self.pace.end_epoch(record)
        return record

    def _step_or_skip(self, batch: Batch, current: CurrentEpoch) -> float:
        """One step; a batch whose numbers are not finite is left out if the configuration says so."""
        totals, number = current.totals, current.batches + 1
        before = totals.saved() if self.config.on_nan == "skip" else None
        self.guard.begin(batch, current.number, number)
        try:
            norm = self._step(batch, current, f"epoch {current.number}, batch {number}")
            if number == 1 and batch.rows >= FEW:
                current.initial = totals.loss
            return norm
        except NonFiniteError as error:
            self.guard.save(batch, error)
            if before is None:
                raise
            totals.restore(before)
            self.guard.skip(error)
            current.skipped += 1
            current.batch_loss = math.nan
            return 0.0

    def _step(self, batch: Batch, current: CurrentEpoch, where: str) -> float:
        """One forward pass, backward pass and, if it is due, update; return the norm of the gradients, or 0."""
        totals = current.totals
        loss, trains = self.computation.forward(batch, totals)
        penalty = 0.0
        if self.config.regularizer is not None:
            with limited(self.updates.threads):
                penalty = self.updates.penalty()
        totals.add_penalty(penalty, batch.rows)
        if not math.isfinite(loss + penalty):
            raise self.guard.loss(batch, loss, penalty)
        current.batch_loss = loss + penalty
        self.guard.check_nodes(batch)
        if not trains:
            return 0.0
        self.computation.backward()
        try:
            if self.config.accumulate > 1 and not self.accumulation.add():
                return 0.0
            norm = self._update(current)
        except NonFiniteError as error:
            explained = self.guard.step(batch, error)
            raise (explained.at(where) if explained is error else explained) from None
        except GraphnetError as error:
            raise error.at(where) from None
        self.guard.check_nodes(batch, errors=True)
        return norm

    def _update(self, current: CurrentEpoch) -> float:
        """One update of the weights; return the norm of the gradients."""
        if self.accumulation.batches:
            self.accumulation.finish()
        if self.pace.by_step:
            current.rate = self.pace.before_update()
        with limited(self.updates.threads):
            norm = self.updates.step()
        self.pace.count += 1
        self.averages.update()
        return norm

    def _last_update(self, current: CurrentEpoch) -> float:
        """The update with the gradients of the batches that are left at the end of an epoch."""
        try:
            return self._update(current)
        except GraphnetError as error:
            raise error.at(f"epoch {current.number}, last update") from None
