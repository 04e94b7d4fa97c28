"""Progress as plain lines."""

from __future__ import annotations

import math
from typing import TextIO

from graphnet.core.display import Display
from graphnet.training.callbacks.base import TrainingRun
from graphnet.training.history import EpochRecord, History, ending
from graphnet.training.progress.base import Shown
from graphnet.training.progress.text import figures


class Lines(Shown):
    """Prints a line for each epoch, without control characters.

    Parameters
    ----------
    stream : text stream or None
    most : int, optional
        Print about this many lines at equal distances, and the last epoch; None: every epoch.
    """

    def __init__(self, stream: TextIO | None, most: int | None = None) -> None:
        self.display = Display(stream)
        self.most = most
        self.shown = 0

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Print a line, if one is due."""
        if self.most is None or record.epoch % math.ceil(trainer.config.epochs / self.most) == 0:
            self._line(trainer, record)

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Print the last epoch, unless it is printed, and how the run ended."""
        if history.epochs and self.shown != len(history):
            self._line(trainer, history.epochs[-1])
        if history.epochs:
            self.display.print(ending(history))

    def _line(self, trainer: TrainingRun, record: EpochRecord) -> None:
        self.shown = record.epoch
        total = trainer.config.epochs
        rate = record.examples / record.seconds if record.seconds else 0.0
        self.display.print(f"epoch {record.epoch:>{len(str(total))}}/{total}  {figures(record)}  {rate:.0f} examples/s")
