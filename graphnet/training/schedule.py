"""How the learning rate changes from epoch to epoch."""

from __future__ import annotations

import math

from graphnet.training.config import TrainingConfig


def rate_factor(config: TrainingConfig, epoch: int) -> float:
    """The factor by which the learning rate is multiplied in an epoch.

    With ``e = epoch - 1``, ``d = decay`` and ``n = decay_epochs``:

    * constant: 1
    * cosine: ``d + (1 - d) (1 + cos(pi min(e, n) / n)) / 2`` (Loshchilov & Hutter 2017, "SGDR", ICLR, equation 5,
      without restarts)
    * step: ``d ** (e // n)``

    Parameters
    ----------
    config : TrainingConfig
    epoch : int
        Counts from 1.

    Returns
    -------
    float in [0, 1]

    Examples
    --------
    >>> from graphnet.training import TrainingConfig
    >>> step = TrainingConfig(schedule="step", decay=0.5, decay_epochs=2)
    >>> [rate_factor(step, epoch) for epoch in (1, 2, 3, 4, 5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    if config.schedule == "cosine":
        final = 0.0 if config.decay is None else config.decay
        length = config.decay_epochs or config.epochs
        return final + (1.0 - final) * (1.0 + math.cos(math.pi * min(epoch - 1, length) / length)) / 2.0
    if config.schedule == "step":
        factor = 0.1 if config.decay is None else config.decay
        return float(factor ** ((epoch - 1) // (config.decay_epochs or max(1, config.epochs // 3))))
    return 1.0
