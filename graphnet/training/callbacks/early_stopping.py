"""Stops a run when a figure no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.checks import flag, integer, number
from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.history import EpochRecord
from graphnet.training.monitor import Monitor, checked_mode, checked_name


@dataclass
class EarlyStopping(Callback):
    """Stop the run after ``patience`` epochs in which a figure did not improve (L. Prechelt 1998, LNCS 1524).

    With best value ``b`` so far, a value ``v`` improves if ``v < b - min_delta`` (mode 'min') or ``v > b + min_delta``
    (mode 'max'); the first value improves always, one that is not finite never. The setting
    ``TrainingConfig(patience=n)`` is ``EarlyStopping(n)``; use this class for another figure or a smallest difference.

    Parameters
    ----------
    patience : int, at least 1
    monitor : str, optional
        ``'loss'``, the name of a metric, or one of these with the prefix ``validation_`` for held-out examples. None:
        the figure that selects the best epoch, which is the first metric on held-out examples, else their loss, else
        the training loss.
    min_delta : float, at least 0
    mode : {'min', 'max'}, optional
        Which values are better; None: as the metric says, and 'min' for a loss.
    restore_best : bool
        Whether ``monitor`` also selects the best epoch, whose weights ``fit`` restores and files have (the best value,
        whatever ``min_delta``). False: ``fit`` selects it as without this callback. Of several such callbacks the first
        one selects.

    Raises
    ------
    ConfigError
        If an argument is out of range; when a run starts, if it has no such figure.

    Notes
    -----
    The run ends with ``history.stopped == 'patience'``. It is over then, and is not continued by resuming it.

    Examples
    --------
    >>> EarlyStopping(5, monitor="validation_loss", min_delta=1e-3)
    EarlyStopping(patience=5, monitor='validation_loss', min_delta=0.001, mode=None, restore_best=True)
    """

    patience: int = 10
    monitor: str | None = None
    min_delta: float = 0.0
    mode: str | None = None
    restore_best: bool = True
    _monitor: Monitor | None = field(default=None, init=False, repr=False, compare=False)
    _best: float = field(default=math.inf, init=False, repr=False, compare=False)
    _waited: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = "EarlyStopping"
        self.patience = integer(where, "patience", self.patience, 1)
        self.monitor = checked_name(where, self.monitor)
        self.min_delta = number(where, "min_delta", self.min_delta, 0.0)
        self.mode = checked_mode(where, self.mode)
        self.restore_best = flag(where, "restore_best", self.restore_best)

    @property
    def exhausted(self) -> bool:
        """Whether the figure has not improved for ``patience`` epochs."""
        return self._waited >= self.patience

    @property
    def selects(self) -> bool:
        """Whether this callback selects the best epoch."""
        return self.restore_best and self.monitor is not None

    def score(self, record: EpochRecord) -> float:
        """The figure of an epoch as a number of which lower ones are better."""
        assert self._monitor is not None
        return self._monitor.value(record)

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Find the figure."""
        self._monitor = Monitor("EarlyStopping", trainer, self.monitor, self.mode)
        self._best, self._waited = math.inf, 0
        if self.selects and trainer.history.figure is None:
            trainer.history.figure = self._monitor.name

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Compare the figure of the epoch with the best one."""
        value = self.score(record)
        if math.isfinite(value) and (math.isinf(self._best) or value < self._best - self.min_delta):
            self._best, self._waited = value, 0
        else:
            self._waited += 1

    def state(self) -> dict[str, Any]:
        """The best value, with the other sign if higher is better, and the epochs since."""
        return {"best": self._best, "waited": self._waited}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        self._best, self._waited = state["best"], state["waited"]
