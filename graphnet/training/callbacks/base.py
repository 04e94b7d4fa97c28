"""What may listen to a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphnet.training.history import EpochRecord, History
    from graphnet.training.trainer import Trainer


class Callback:
    """Base of the callbacks: every method does nothing; override those that you need.

    A callback may read ``trainer.graph``, ``trainer.runner``, ``trainer.config`` and ``trainer.history``, and may set
    ``trainer.stopping = True`` to end the run after this epoch.

    Examples
    --------
    >>> class Until(Callback):
    ...     def __init__(self, loss):
    ...         self.loss = loss
    ...     def on_epoch_end(self, trainer, record):
    ...         trainer.stopping = record.loss < self.loss
    """

    def on_start(self, trainer: Trainer, batches: int) -> None:
        """Before the first epoch; ``batches`` is their number in each epoch, 0 where only reading the data tells."""

    def on_batch_end(self, trainer: Trainer, epoch: int, batch: int, loss: float) -> None:
        """After each update of the weights; ``epoch`` and ``batch`` count from 1, ``loss`` is the epoch's so far."""

    def on_epoch_end(self, trainer: Trainer, record: EpochRecord) -> None:
        """After each epoch, with the weights that it ended with."""

    def on_end(self, trainer: Trainer, history: History) -> None:
        """Once at the end, also after an error or Ctrl-C; the best weights are in place."""
