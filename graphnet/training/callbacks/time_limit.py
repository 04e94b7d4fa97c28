"""Ends a run after a certain time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphnet.core.errors import ConfigError
from graphnet.training.callbacks.base import Callback

if TYPE_CHECKING:
    from graphnet.training.history import EpochRecord
    from graphnet.training.trainer import Trainer


@dataclass
class TimeLimit(Callback):
    """End the run with the first epoch that ends ``seconds`` or more after its start.

    Parameters
    ----------
    seconds : float, above 0
        Of wall time.

    Raises
    ------
    ConfigError
        For anything else.

    Examples
    --------
    >>> TimeLimit(3600)
    TimeLimit(seconds=3600)
    """

    seconds: float

    def __post_init__(self) -> None:
        number = isinstance(self.seconds, (int, float)) and not isinstance(self.seconds, bool)
        if not number or not math.isfinite(self.seconds) or self.seconds <= 0:
            raise ConfigError(
                "seconds cannot be used",
                where="TimeLimit",
                expected="a number above 0",
                received=repr(self.seconds),
            )

    def on_start(self, trainer: Trainer, batches: int) -> None:
        """Look at the clock."""
        self._begun = time.monotonic()

    def on_epoch_end(self, trainer: Trainer, record: EpochRecord) -> None:
        """End the run if it is time; another callback's wish to end it stands."""
        trainer.stopping = trainer.stopping or time.monotonic() - self._begun >= self.seconds
