"""What a training run does in a batch whose loss, gradient or new weights are not finite."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import FileError, NonFiniteError
from graphnet.core.run.observed.origin import Origin
from graphnet.core.run.observed.record import Record
from graphnet.core.run.runner import Runner
from graphnet.data.batches import Batch
from graphnet.losses import Loss
from graphnet.training.config import TrainingConfig
from graphnet.training.nonfinite import diagnosis
from graphnet.training.nonfinite.batch_start import BatchStart, may_draw, stores_with_buffers
from graphnet.training.nonfinite.report import report
from graphnet.training.nonfinite.saved_batch import save_batch
from graphnet.training.nonfinite.worse import TrainingWarning
from graphnet.training.updates import Updates


@dataclass
class Place:
    """Where a batch is in a run: its epoch, its number in the epoch, and the number of its first step."""

    epoch: int = 0
    number: int = 0
    step: int = 0


class BatchGuard:
    """Explains numbers that are not finite, and goes back to the state before a batch.

    Parameters
    ----------
    runner : Runner
    config : TrainingConfig
    losses : mapping of output name to Loss
    feed : Feed
    updates : Updates

    Attributes
    ----------
    place : Place
        Of the batch that is running.
    """

    def __init__(
        self, runner: Runner, config: TrainingConfig, losses: Mapping[str, Loss], feed: Any, updates: Updates
    ) -> None:
        self.config, self.losses, self.feed, self.updates = config, losses, feed, updates
        self.place = Place()
        self._last: NonFiniteError | None = None
        self._stores = stores_with_buffers(runner)
        self._draws = may_draw(runner, *losses.values(), *config.metrics)
        self._start: BatchStart | None = None
        self._record: Record | None = None
        self._outputs: Mapping[str, Array] = {}
        if config.detect_anomaly:
            observed, self._record = diagnosis.observing(feed.runner)
            feed.runner = observed
            if feed.truncated is not None:
                feed.truncated.runner = observed

    # ------------------------------------------------------------------ batches
    def begin(self, batch: Batch, epoch: int, number: int) -> None:
        """Begin a batch, before its forward pass."""
        place, position = self.place, self.feed.position
        place.epoch, place.number = epoch, number
        place.step = 0 if self.feed.truncated is None else (position[-1] - 1) * self.feed.truncated.k1
        self._start = BatchStart(self.feed, self._stores, self._draws)

    def forward(self, batch: Batch, outputs: Mapping[str, Array]) -> None:
        """Note the outputs of the batch."""
        self._outputs = outputs

    # ------------------------------------------------------------------ errors
    def loss(self, batch: Batch, value: float, penalty: float) -> NonFiniteError:
        """The error for a loss that is not finite."""
        origin = None
        if not np.isfinite(penalty):
            origin = self._of_penalty()
        elif self._record is not None:
            origin = _first(self._observed(batch).of_loss())
        else:
            assert self._start is not None
            origin = diagnosis.explain_loss(self.feed, self.losses, self._start, batch, self.config.loss_weights)
        return self._report("the training loss is not finite", value + penalty, origin, batch)

    def step(self, batch: Batch, error: NonFiniteError) -> NonFiniteError:
        """The error for gradients or new weights that are not finite, from that of :meth:`Updates.step`."""
        if error.kind != "gradient":
            error.epoch, error.batch = self.place.epoch, self.place.number
            return error
        trained = {member.path for member in self.updates.members if member.delta}
        if self._record is not None:
            observed = self._observed(batch)
            bad = observed.bad_gradients()
            counted = {p: {n for n in names if f"{p}/{n}" in trained} for p, names in bad.items()}
            origin = _first(observed.of_gradients(counted))
        else:
            assert self._start is not None
            origin = diagnosis.explain_gradients(
                self.feed, self.losses, self._start, batch, self.config.loss_weights, trained
            )
        return self._report("a gradient is not finite", f"NaN or infinity for {error.subject}", origin, batch)

    def check_nodes(self, batch: Batch, *, errors: bool = False) -> None:
        """Raise an error for a node that has made NaN, even where the loss is finite; with ``detect_anomaly`` only.

        Raises
        ------
        NonFiniteError
        """
        if self._record is None:
            return
        observed = self._observed(batch)
        found = observed.of_gradients({}, errors=True) if errors else observed.of_nodes()
        origin = _first([o for o in found if o.kind != "input"])
        if origin is not None:
            problem = "an error is not finite" if errors else "a value is NaN"
            raise self._report(problem, origin.received or None, origin, batch)

    def _observed(self, batch: Batch) -> diagnosis.ObservedBatch:
        assert self._record is not None
        return diagnosis.ObservedBatch(
            self.feed, self._record, self.losses, batch, self._outputs, self.config.loss_weights
        )

    def _of_penalty(self) -> Origin | None:
        regularizer = self.config.regularizer
        for member in self.updates.members:
            if regularizer is not None and self.updates.regularized(member) and member.delta:
                value = member.decayed(member.parameter.value)
                if not np.isfinite(float(regularizer.norm(value))):
                    return Origin("regularizer" if np.isfinite(value).all() else "weight", member.path)
        return None

    def _report(self, problem: str, received: Any, origin: Origin | None, batch: Batch) -> NonFiniteError:
        place = self.place
        return report(
            problem, received, origin, batch,
            epoch=place.epoch, number=place.number, start=place.step, known=self._known(),
        )  # fmt: skip

    def _known(self) -> str:
        """The outputs that were not finite."""
        for name, output in self._outputs.items():
            bad = np.argwhere(~np.isfinite(output))
            if len(bad):
                return f"output {name!r} was not finite, first at {[int(i) for i in bad[0]]}"
        return "every output was finite"

    # ------------------------------------------------------------------ afterwards
    def save(self, batch: Batch, error: NonFiniteError) -> None:
        """Write the batch to a file, if that was asked for, and add its name to the error."""
        place, path = self.place, self.config.save_bad_batch
        if path is None or self._start is None:
            return
        try:
            file = save_batch(path, batch, self.feed, self._start, place.epoch, place.number)
        except FileError as failure:  # the error of the training run is the one that counts
            error.add_note(f"The batch was not saved: {failure}")
            return
        error.add_note(f"The batch was saved in {file}.")

    def skip(self, error: NonFiniteError) -> None:
        """Go back to the state before the batch, and warn."""
        assert self._start is not None
        self._start.rewind(self.feed)
        self._last = error
        warnings.warn(f"a batch was skipped: {error}", TrainingWarning, stacklevel=2)

    def check_epoch(self, current: Any) -> None:
        """Raise an error if every batch of an epoch was skipped.

        Raises
        ------
        NonFiniteError
        """
        if not current.skipped or current.skipped < current.batches:
            return
        error = self._last or NonFiniteError("no number was finite")
        error.problem = f"every batch of epoch {current.number} was skipped; the last one: {error.problem}"
        raise error


def _first(origins: list[Origin]) -> Origin | None:
    return origins[0] if origins else None
