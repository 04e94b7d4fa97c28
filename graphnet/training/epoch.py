"""One epoch of training: a forward pass, a backward pass and an update for each batch, then validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np

from graphnet.core.concurrency.blas_threads import limited
from graphnet.core.errors import GraphnetError, NonFiniteError
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch, Examples
from graphnet.data.datasets.stream import Stream
from graphnet.losses import Loss
from graphnet.training import evaluation
from graphnet.training.config import TrainingConfig
from graphnet.training.feeds import Feed
from graphnet.training.history import EpochRecord
from graphnet.training.nonfinite.batch_guard import BatchGuard
from graphnet.training.totals import Totals
from graphnet.training.updates import Updates


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
        self._skipped: NonFiniteError | None = None
        self.updates = Updates(runner, config)
        self.guard = BatchGuard(runner, config, losses, feed, self.updates)

    def run(self, epoch: int, on_batch_end: Callable[[int, int, float], None]) -> EpochRecord:
        """Run one epoch; ``on_batch_end`` is called with the epoch, the batch and the loss so far.

        Raises
        ------
        StateError
            If the loss, or the state of an optimizer, is not finite; the message names the epoch and the batch.
        """
        start, norm = time.perf_counter(), 0.0
        self.guard.begin_epoch(epoch)
        rate = self.updates.set_epoch(epoch)
        totals = Totals(self.losses, self.config.metrics)
        for number, batch in enumerate(self.feed.batches(self.rng), 1):
            norm = max(norm, self._step_or_skip(batch, totals, f"epoch {epoch}, batch {number}"))
            on_batch_end(epoch, number, totals.loss)
        self.guard.check_epoch(self._skipped)
        validation = None
        if self.validation is not None:
            validation = evaluation.totals(self.runner, self.validation, self.losses, self.config)
        return EpochRecord(
            epoch=epoch,
            loss=totals.loss,
            metrics=totals.results(),
            validation_loss=None if validation is None else validation.loss,
            validation_metrics={} if validation is None else validation.results(),
            learning_rate=rate,
            gradient_norm=norm,
            seconds=time.perf_counter() - start,
            examples=totals.examples,
            skipped_batches=self.guard.skipped,
        )

    def _step_or_skip(self, batch: Batch, totals: Totals, where: str) -> float:
        """One step; a batch whose numbers are not finite is left out if the configuration says so."""
        before = totals.saved() if self.config.on_nan == "skip" else None
        self.guard.begin(batch)
        try:
            return self._step(batch, totals, where)
        except NonFiniteError as error:
            file = self.guard.save(batch)
            if file is not None:
                error.add_note(f"The batch was saved in {file}.")
            if before is None:
                raise
            totals.restore(before)
            self.guard.skip(error)
            self._skipped = error
            return 0.0

    def _step(self, batch: Batch, totals: Totals, where: str) -> float:
        """One forward pass, backward pass and update; return the norm of the gradients."""
        outputs = self.feed.forward(batch)
        self.guard.forward(batch, outputs)
        with limited(self.updates.threads):
            penalty = self.updates.penalty()
        loss, errors = totals.add_with_errors(outputs, batch)
        totals.add_penalty(penalty, batch.rows)
        if not math.isfinite(loss + penalty):
            raise self.guard.loss(batch, loss, penalty)
        self.guard.check_nodes(batch)
        if not errors:
            return 0.0
        self.feed.backward(errors)
        try:
            with limited(self.updates.threads):
                norm = self.updates.step()
        except NonFiniteError as error:
            explained = self.guard.step(batch, error)
            raise (explained.at(where) if explained is error else explained) from None
        except GraphnetError as error:
            raise error.at(where) from None
        self.guard.check_nodes(batch, errors=True)
        return norm
