"""What a training run calls to have checkpoints written, and what it is resumed from."""

from __future__ import annotations

from typing import Any, Protocol

from graphnet.core.describe.graph import Graph
from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.snapshot import Snapshot


class CheckpointedRun(TrainingRun, Protocol):
    """A training run of which a snapshot can be taken."""

    @property
    def complete(self) -> bool:
        """Whether there is nothing more to train: True when ``after_epoch`` is called for the last epoch."""

    def snapshot(self) -> Snapshot:
        """A copy of everything that decides the future of the run."""


class Checkpoints:
    """Base of the objects that receive the checkpoints of a training run; every method does nothing.

    Pass it to ``Trainer(..., checkpoints=...)``, or derive a callback from this class too: the Trainer finds it among
    its callbacks. Its methods are called after those of *all* callbacks, in the thread that trains; they decide whether
    to call ``trainer.snapshot()``, which is a copy, so that another thread may write it.
    """

    def start(self, trainer: CheckpointedRun) -> None:
        """Called before the first update of a ``fit``, after ``on_start`` of all callbacks; also after resuming."""

    def after_batch(self, trainer: CheckpointedRun) -> None:
        """Called after each update, after ``on_batch_end`` of all callbacks."""

    def after_epoch(self, trainer: CheckpointedRun) -> None:
        """Called after each epoch, after ``on_epoch_end`` of all callbacks; its record is in ``trainer.history``.

        After the last epoch ``values["stopped"]`` of a snapshot says how the run ended.
        """

    def end(self, trainer: CheckpointedRun) -> None:
        """Called once at the end, also after an error or Ctrl-C, before ``on_end`` of all callbacks.

        Wait here for what is still being written. A snapshot cannot be taken any more.
        """


class StoredRun(Protocol):
    """A run that can be resumed.

    Attributes
    ----------
    graph : Graph
    config : TrainingConfig
    snapshot : Snapshot
    checkpoints : Checkpoints or None
        Receives the checkpoints of the resumed run. If it is a Callback too, it is also called as the first callback.
    callbacks : tuple of Callback
        Further callbacks that belong to the run, not to the configuration.
    """

    graph: Graph
    config: Any
    snapshot: Snapshot
    checkpoints: Checkpoints | None
    callbacks: tuple[Callback, ...]
