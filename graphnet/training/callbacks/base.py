"""The base of all callbacks, and the part of a Trainer that they may use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from graphnet.core.describe.graph import Graph
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.training.history import EpochRecord, History


class TrainingRun(Protocol):
    """What a callback sees of a training run: the attributes of a :class:`~graphnet.training.trainer.Trainer`.

    Attributes
    ----------
    graph : Graph
    runner : Runner
        Holds the weights.
    config : TrainingConfig
    history : History
        The epochs so far.
    state : State or None
        The state at the end of the stream in the best epoch so far; None without a Stream.
    stopping : bool
        Set it to True to stop the run after the current epoch.
    checkpoints : Checkpoints or None
        Receives the checkpoints of the run.
    resumed : bool
        Whether the run continues from a checkpoint; ``history`` has its past then.
    folder : Path or None
        The folder of the run; None without one, and for a numbered folder until the first update begins.
    figures : dict of str to bool
        The losses and metrics of the records of this run, by name, with whether higher is better.
    selecting : str
        The figure that selects the best epoch.
    batch_loss : float
        In ``on_batch_end``, the loss of the batch, with the regularization, before the update.
    present_state : State or None
        The state at the end of the stream in the last epoch; None without a Stream.
    """

    graph: Graph
    runner: Runner
    config: Any
    history: History
    state: State | None
    stopping: bool
    checkpoints: Any

    @property
    def resumed(self) -> bool: ...

    @property
    def folder(self) -> Path | None: ...

    @property
    def figures(self) -> dict[str, bool]: ...

    @property
    def selecting(self) -> str: ...

    @property
    def batch_loss(self) -> float: ...

    @property
    def present_state(self) -> State | None: ...

    def evaluated_weights(self) -> AbstractContextManager[None]:
        """A block inside which the layers have the weights that are validated: with ``config.average`` the averages."""


class Callback:
    """Base of the callbacks: every method does nothing; override those that you need.

    A callback may read ``trainer.graph``, ``trainer.runner``, ``trainer.config`` and ``trainer.history``, and may set
    ``trainer.stopping = True`` to stop the run after the current epoch.

    A checkpoint keeps the attributes of a callback: numbers, strings, arrays, random generators, and lists, tuples and
    dictionaries of these. Files, functions, locks and the like stay those of the callback that a resumed run is given.
    A callback with other attributes overrides :meth:`state` and :meth:`load_state`.

    Examples
    --------
    >>> class Until(Callback):
    ...     def __init__(self, loss):
    ...         self.loss = loss
    ...     def on_epoch_end(self, trainer, record):
    ...         trainer.stopping = record.loss < self.loss
    """

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint keeps of this callback; by default, its attributes. Called after the other methods.

        Returns
        -------
        mapping of str to value
            Numbers, strings, arrays, random generators, None, and lists, tuples, sets and dictionaries of these.
        """
        return dict(vars(self))

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` returned; called when a run is resumed, after :meth:`on_start`."""
        vars(self).update(state)

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Called before the first epoch; ``batches`` is the number of batches in an epoch, 0 if it is not known."""

    def on_batch_end(self, trainer: TrainingRun, epoch: int, batch: int, loss: float) -> None:
        """Called after each update; ``epoch`` and ``batch`` count from 1, ``loss`` is the mean of this epoch so far."""

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Called after each epoch, with the weights at its end."""

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Called once at the end, also after an error or Ctrl-C; the best weights are restored by then."""
