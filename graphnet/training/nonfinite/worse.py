"""A run that ends worse than it began."""

from __future__ import annotations

import math
import warnings

from graphnet.core.errors import GraphnetWarning
from graphnet.training.history import History

#: By what share of itself a loss may rise without a warning, and with few examples, whose losses vary.
SHARE, SHARE_OF_FEW, FEW = 0.1, 0.5, 100


class TrainingWarning(GraphnetWarning):
    """A training run has left out a batch, or has ended worse than it began."""


def warn_if_worse(history: History, comparable: bool) -> None:
    """Warn if the training loss of the last epoch is above that of the first one, or of the first batch.

    Parameters
    ----------
    history : History
        Complete.
    comparable : bool
        Whether the loss of a batch can be compared with that of an epoch, because all are means.

    Warns
    -----
    TrainingWarning
    """
    if not history.epochs:
        return
    first, last = history.epochs[0], history.epochs[-1]
    began = first.initial_loss if comparable else None
    if len(history) > 1 and _rose(first.loss, last.loss, SHARE_OF_FEW if last.examples < FEW else SHARE):
        before = f"{first.loss:.4g} in epoch 1"
    elif began is not None and _rose(began, last.loss, SHARE_OF_FEW):
        before = f"{began:.4g} in the first batch"
    else:
        return
    kept = f"; the weights of epoch {history.best_epoch} were kept" if history.best_epoch else ""
    warnings.warn(
        f"the run ended worse than it began: the training loss was {before} and {last.loss:.4g} in epoch "
        f"{last.epoch}{kept}. Lower the learning rate, or clip the gradients (clip_norm).",
        TrainingWarning,
        stacklevel=3,
    )


def _rose(before: float, after: float, share: float) -> bool:
    return not math.isfinite(after) or after > before + share * abs(before)
