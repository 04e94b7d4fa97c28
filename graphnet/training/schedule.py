"""The learning rate of a run: which schedule a configuration names, and where the run is on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.optimizers.schedules import Cosine, ExponentialDecay, Schedule, StepDecay
from graphnet.training.config import TrainingConfig
from graphnet.training.history import EpochRecord
from graphnet.training.updates import Updates


def schedule_of(config: TrainingConfig) -> Schedule:
    """The schedule of a configuration, also for the three names that have their settings beside them.

    With ``d = decay`` and ``n = decay_epochs``:

    * ``'constant'``: the factor 1
    * ``'cosine'``: ``Cosine(n, d)``, with 0 as the default of ``d`` and all epochs as that of ``n``
    * ``'step'``: ``StepDecay(n, d)``, with 0.1 as the default of ``d`` and a third of the epochs as that of ``n``

    Examples
    --------
    >>> schedule_of(TrainingConfig(schedule="step", decay=0.5, decay_epochs=2))
    StepDecay(by='epoch', every=2, decay=0.5)
    """
    if isinstance(config.schedule, Schedule):
        return config.schedule.fresh()
    if config.schedule == "cosine":
        return Cosine(config.decay_epochs or config.epochs, 0.0 if config.decay is None else config.decay)
    if config.schedule == "step":
        every = config.decay_epochs or max(1, config.epochs // 3)
        return StepDecay(every, 0.1 if config.decay is None else config.decay)
    return ExponentialDecay(1.0)


class Pace:
    """The learning rate of a training run, which it sets before epochs or before updates.

    Parameters
    ----------
    config : TrainingConfig
    updates : Updates
    batches : int
        The batches of an epoch; 0 if they are not known.

    Attributes
    ----------
    count : int
        Completed updates of the weights.

    Raises
    ------
    ConfigError
        If the schedule depends on the number of updates, which is not known.
    """

    def __init__(self, config: TrainingConfig, updates: Updates, batches: int) -> None:
        self.config, self.updates = config, updates
        self.schedule = schedule_of(config)
        self.by_step = self.schedule.by == "step"
        self.count = 0
        per_epoch = -(-batches // config.accumulate)
        self.total = config.epochs if not self.by_step else config.epochs * per_epoch or None
        if self.schedule.needs_total and self.total is None:
            raise ConfigError(
                "the schedule depends on the number of updates, which is not known",
                where="TrainingConfig.schedule",
                expected="a length in updates",
                received=repr(self.schedule),
                remedy="Sequences in pieces, and streams, have no fixed number of updates: give the length.",
                key_path=("schedule",),
            )

    def begin_epoch(self, epoch: int) -> float | None:
        """Set and return the learning rate for an epoch, or for its first update."""
        return self._set(self.count if self.by_step else epoch - 1)

    def before_update(self) -> float | None:
        """Set and return the learning rate of the next update; only for a schedule by step."""
        return self._set(self.count)

    def _set(self, position: int) -> float | None:
        return self.updates.set_rate(self.schedule.factor(position, self.total))

    def end_epoch(self, record: EpochRecord) -> None:
        """Show the schedule the figure that selects the best epoch."""
        metric = next(iter(self.config.metrics), None)
        if record.validation_loss is None:
            self.schedule.observe(record.loss, False)
        elif metric is None or metric.name not in record.validation_metrics:
            self.schedule.observe(record.validation_loss, False)
        else:
            self.schedule.observe(record.validation_metrics[metric.name], metric.higher_is_better)

    def state(self) -> dict[str, Any]:
        """What the later learning rates depend on, as plain values."""
        return {"count": self.count, "schedule": self.schedule.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        self.count = state["count"]
        self.schedule.load_state(state["schedule"])
