"""Stops a run after a given time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphnet.core.checks import number
from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.history import EpochRecord


@dataclass
class TimeLimit(Callback):
    """Stop the run at the end of the first epoch that ends ``seconds`` or more after the start.

    The time of a run that is resumed counts from its beginning, up to its last checkpoint, and then from the start of
    the process that continues it.

    Parameters
    ----------
    seconds : float, above 0
        Wall time.

    Raises
    ------
    ConfigError
        If ``seconds`` is not a positive finite number.

    Examples
    --------
    >>> TimeLimit(3600)
    TimeLimit(seconds=3600)
    """

    seconds: float

    def __post_init__(self) -> None:
        number("TimeLimit", "seconds", self.seconds, 0.0, above=True)

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def state(self) -> dict[str, float]:
        """The seconds so far."""
        return {"seconds": time.monotonic() - self._start}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue after as many seconds."""
        self._start = time.monotonic() - state["seconds"]

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Stop the run if the time is up; never cancel a stop that another callback asked for."""
        trainer.stopping = trainer.stopping or time.monotonic() - self._start >= self.seconds
