"""A lower learning rate when results no longer improve."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from graphnet.core.checks import integer, number
from graphnet.core.errors import ConfigError
from graphnet.optimizers.schedules.base import Schedule


@dataclass(eq=False)
class OnPlateau(Schedule):
    """Multiplies the factor by ``decay`` after more than ``patience`` epochs without improvement.

    It looks at the figure that selects the best epoch: the first metric of the held-out examples, else their loss, else
    the training loss. A figure is better if it beats the best one by more than ``threshold`` times its magnitude, or if
    it is the first. After a reduction ``cooldown`` epochs do not count. It is the ``ReduceLROnPlateau`` of torch, whose
    limit for very small changes of the rate (``eps``) it does not have.

    Parameters
    ----------
    decay : float in [0, 1)
    patience, cooldown : int, at least 0
    threshold : float, at least 0
    least : float in [0, 1]
        The factor does not fall below it.

    Examples
    --------
    >>> schedule, factors = OnPlateau(0.5, patience=1), []
    >>> for loss in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9):
    ...     schedule.observe(loss, False)
    ...     factors.append(schedule.factor(0, None))
    >>> factors
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    """

    decay: float = 0.1
    patience: int = 10
    cooldown: int = 0
    threshold: float = 1e-4
    least: float = 0.0
    _current: float = field(default=1.0, init=False, repr=False)
    _best: float | None = field(default=None, init=False, repr=False)
    _bad: int = field(default=0, init=False, repr=False)
    _waiting: int = field(default=0, init=False, repr=False)

    state_names: ClassVar[tuple[str, ...]] = ("_current", "_best", "_bad", "_waiting")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by != "epoch":
            raise ConfigError("OnPlateau counts epochs", where="OnPlateau", expected="by='epoch'",
                              received=repr(self.by), key_path=("by",))  # fmt: skip
        self.decay = number("OnPlateau", "decay", self.decay, 0.0, 1.0, below=True)
        self.patience = integer("OnPlateau", "patience", self.patience, 0)
        self.cooldown = integer("OnPlateau", "cooldown", self.cooldown, 0)
        self.threshold = number("OnPlateau", "threshold", self.threshold, 0.0)
        self.least = number("OnPlateau", "least", self.least, 0.0, 1.0)

    def factor(self, position: int, total: int | None) -> float:
        """The present factor, at every position."""
        return self._current

    def observe(self, value: float, higher_is_better: bool) -> None:
        """Compare the figure of an epoch with the best one; a figure that is not finite is never better."""
        if self._improves(value, higher_is_better):
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._waiting:
            self._waiting, self._bad = self._waiting - 1, 0
        if self._bad > self.patience:
            self._current = max(self._current * self.decay, self.least)
            self._waiting, self._bad = self.cooldown, 0

    def _improves(self, value: float, higher_is_better: bool) -> bool:
        if not math.isfinite(value):
            return False
        if self._best is None:
            return True
        margin = self.threshold * abs(self._best)
        return value > self._best + margin if higher_is_better else value < self._best - margin
