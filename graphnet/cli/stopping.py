"""The callback that ends a training run after a signal."""

from __future__ import annotations

from graphnet.cli.signals import Signals
from graphnet.training.callbacks import TrainingRun
from graphnet.training.progress import Shown


class StopOnSignal(Shown):
    """Ends a training run before the first batch, if a signal has arrived by then.

    Later ones are seen by the folder of the run, which writes a last checkpoint: see ``RunFolder.stop``.
    """

    def __init__(self, signals: Signals) -> None:
        self.signals = signals

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """End the run."""
        if self.signals.received is not None:
            raise KeyboardInterrupt
