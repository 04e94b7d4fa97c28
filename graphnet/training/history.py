"""The result of a training run: a record for each epoch, and all records together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpochRecord:
    """The figures of one epoch.

    Attributes
    ----------
    epoch : int
        Counts from 1.
    loss : float
        Mean over the examples of the epoch (or sum, depending on the loss) in the train phase, plus the mean of the
        regularization loss over the batches.
    metrics : mapping of str to float
        Over the examples of the epoch, in the train phase.
    validation_loss : float or None
        Over the validation examples after the epoch, in the test phase; None if there are none.
    validation_metrics : mapping of str to float
    learning_rate : float or None
        None if the optimizer has no such attribute.
    gradient_norm : float
        The largest norm of all gradients together in the epoch, before clipping.
    seconds : float
        Duration of the epoch, including validation.
    examples : int
        Number of examples in training.
    best : bool
        Whether this is the best epoch so far.
    skipped_batches : int
        The batches that were left out because a number was not finite; see ``TrainingConfig.on_nan``.
    initial_loss : float or None
        The loss of the first batch of the epoch, if it was not skipped and had at least 8 examples.
    """

    epoch: int
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    validation_loss: float | None = None
    validation_metrics: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float | None = None
    gradient_norm: float = 0.0
    seconds: float = 0.0
    examples: int = 0
    best: bool = False
    skipped_batches: int = 0
    initial_loss: float | None = None

    def flat(self) -> dict[str, Any]:
        """All values in one plain dictionary, for a line of JSON; validation values have the prefix ``validation_``."""
        values: dict[str, Any] = {"epoch": self.epoch, "loss": self.loss, **self.metrics}
        if self.validation_loss is not None:
            values["validation_loss"] = self.validation_loss
            values |= {f"validation_{name}": value for name, value in self.validation_metrics.items()}
        for name in ("learning_rate", "gradient_norm", "seconds", "examples", "best"):
            values[name] = getattr(self, name)
        if self.skipped_batches:
            values["skipped_batches"] = self.skipped_batches
        return values


@dataclass
class History:
    """All epochs of a run, and how it ended.

    Attributes
    ----------
    epochs : list of EpochRecord
    best_epoch : int
        The epoch whose weights were restored at the end; 0 if no epoch was completed, and the weights are the initial
        ones.
    stopped : str
        ``'finished'``, ``'patience'``, ``'callback'``, ``'interrupted'`` (Ctrl-C) or ``'failed'``.
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "finished"

    @property
    def best(self) -> EpochRecord | None:
        """The record of the best epoch; None before the first one is complete."""
        return self.epochs[self.best_epoch - 1] if self.best_epoch else None

    def __len__(self) -> int:
        return len(self.epochs)
