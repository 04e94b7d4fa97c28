"""The callback that ends a training run after a signal."""

from __future__ import annotations

from graphnet.cli.progress import Shown
from graphnet.cli.signals import Signals
from graphnet.training.callbacks import TrainingRun
from graphnet.training.history import EpochRecord


class StopOnSignal(Shown):
    """Ends a training run after the batch in which a signal arrived."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """End the run before the first batch."""
        self._check()

    def on_batch_end(self, trainer: TrainingRun, epoch: int, batch: int, loss: float) -> None:
        """End the run."""
        self._check()

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """End the run, if the signal arrived during validation."""
        self._check()

    def _check(self) -> None:
        if self.signals.received is not None:
            raise KeyboardInterrupt
