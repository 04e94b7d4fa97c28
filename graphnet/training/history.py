"""What a training run reports: a record an epoch, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
        Mean over the epoch's examples (or sum, as the loss says), in the train phase, plus the mean of the
        regularization loss over the batches.
    metrics : mapping of str to float
        Over the epoch's examples, in the train phase.
    validation_loss : float or None
        After the epoch, over the held-out examples, in the test phase; None without any.
    validation_metrics : mapping of str to float
    learning_rate : float or None
        None where the optimizer has no such attribute.
    gradient_norm : float
        Greatest common norm of all gradients in the epoch, before clipping.
    seconds : float
        For the epoch with its validation.
    examples : int
        Examples trained on.
    best : bool
        Whether this is the best epoch so far.
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

    def flat(self) -> dict[str, Any]:
        """Everything in one plain dictionary, for a line of JSON; ``validation_`` in front of what was held out."""
        found: dict[str, Any] = {"epoch": self.epoch, "loss": self.loss, **self.metrics}
        if self.validation_loss is not None:
            found["validation_loss"] = self.validation_loss
            found |= {f"validation_{name}": value for name, value in self.validation_metrics.items()}
        for name in ("learning_rate", "gradient_norm", "seconds", "examples", "best"):
            found[name] = getattr(self, name)
        return found


@dataclass
class History:
    """All epochs of a run, and how it ended.

    Attributes
    ----------
    epochs : list of EpochRecord
    best_epoch : int
        The epoch whose weights were kept; 0: those before the first epoch, because none was finished.
    stopped : str
        ``'finished'``, ``'patience'``, ``'callback'``, ``'interrupted'`` (Ctrl-C) or ``'failed'``.
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "finished"

    @property
    def best(self) -> EpochRecord | None:
        """The record of the best epoch; None before the first one was finished."""
        return self.epochs[self.best_epoch - 1] if self.best_epoch else None

    def __len__(self) -> int:
        return len(self.epochs)
