"""The callback."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from graphnet import ConfigError
from graphnet.callbacks import Callback, TrainingRun
from graphnet.training import EpochRecord, History

if TYPE_CHECKING:
    from graphnet_tensorboard.log import Log


@dataclass
class TensorBoard(Callback):
    """Write loss, metrics, learning rate and gradient norm of each epoch for TensorBoard.

    The step is the epoch. A resumed run continues the log of its first part: events of epochs after the checkpoint are
    removed, and no step is there twice.

    Parameters
    ----------
    path : path
        A folder, relative to that of the run if it has one, else to the working directory. It may hold no log yet.
    histograms : int, at least 0
        The weights are written as histograms after each such number of epochs; 0: never.

    Raises
    ------
    ConfigError
        If an argument is out of range.
    FileError
        Before the second update of a run, if the folder has the log of another run.

    Examples
    --------
    >>> TensorBoard(histograms=5)
    TensorBoard(path='tensorboard', histograms=5)
    """

    path: str = "tensorboard"
    histograms: int = 0
    _log: Log | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.path = os.fspath(self.path)
        if not isinstance(self.histograms, int) or isinstance(self.histograms, bool) or self.histograms < 0:
            raise ConfigError(
                "histograms is out of range",
                where="TensorBoard",
                expected="an integer of at least 0",
                received=repr(self.histograms),
                key_path=("histograms",),
            )

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Forget the log of an earlier run; the folder of this one may not exist yet."""
        self._log = None

    def on_batch_end(self, trainer: TrainingRun, epoch: int, batch: int, loss: float) -> None:
        """Begin or continue the log, before the first update ends."""
        if self._log is None:
            self._open(trainer)

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Write the figures of the epoch, which are in the file when this returns."""
        log = self._log or self._open(trainer)
        log.scalars(record.epoch, dict(figures(record)))
        if self.histograms and record.epoch % self.histograms == 0:
            with trainer.evaluated_weights():
                weights = {f"weights/{name}": np.array(p.value) for name, p in trainer.runner.parameters.items()}
            log.histograms(record.epoch, weights)
        log.flush()

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Close the file."""
        if self._log is None and trainer.resumed and history.epochs:
            self._open(trainer, ended=True)  # perhaps not all of it is on the disk
        self.close()

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._log is not None:
            self._log.close()

    def state(self) -> dict[str, Any]:
        """Nothing: what was written is in the log, and the history has the figures."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""

    def _open(self, trainer: TrainingRun, *, ended: bool = False) -> Log:
        from graphnet_tensorboard.log import Log  # here, because tensorboardX takes long to import

        past = {record.epoch: dict(figures(record)) for record in trainer.history.epochs}
        done = past if trainer.resumed else None
        self._log = Log((trainer.folder or Path()) / self.path, done, ended=ended)
        return self._log


def figures(record: EpochRecord) -> Iterator[tuple[str, float]]:
    """The scalars of an epoch by tag."""
    yield "loss/training", record.loss
    yield from ((f"{name}/training", value) for name, value in record.metrics.items())
    if record.validation_loss is not None:
        yield "loss/validation", record.validation_loss
    yield from ((f"{name}/validation", value) for name, value in record.validation_metrics.items())
    if record.learning_rate is not None:
        yield "learning_rate", record.learning_rate
    yield "gradient_norm", record.gradient_norm
    yield "seconds", record.seconds
