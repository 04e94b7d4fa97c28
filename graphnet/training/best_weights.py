"""The best epoch so far, and its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from graphnet.core.describe.parameter import Array
from graphnet.core.run.runner import Runner
from graphnet.metrics import Metric
from graphnet.training.history import EpochRecord


class BestWeights:
    """Keeps the weights and buffers of the best epoch.

    With validation examples the first metric on them decides (maximized or minimized, depending on the metric), and
    the validation loss decides between equal metrics or if there is no metric. Without validation examples the training
    loss decides. Of equal epochs the earlier one is better. An epoch whose values are not finite is never better.

    Parameters
    ----------
    runner : Runner
        Its current weights count as epoch 0, which every finite epoch beats.
    metric : Metric or None
    selection : callable, optional
        Returns a number for the record of an epoch, of which lower ones are better: decides in place of all this.
    """

    def __init__(
        self, runner: Runner, metric: Metric | None, selection: Callable[[EpochRecord], float] | None = None
    ) -> None:
        self.runner = runner
        self.metric = metric
        self.selection = selection
        self.epoch = 0
        self.score: tuple[float, ...] | None = None
        self._values: dict[str, Array] = {}
        self._buffers: dict[str, Array] = {}
        self._store()

    def update(self, record: EpochRecord) -> bool:
        """Store the current weights if this epoch is better than all earlier ones; return whether it is."""
        score = self._score(record)
        if not all(map(math.isfinite, score)) or (self.score is not None and score >= self.score):
            return False
        self.epoch, self.score = record.epoch, score
        self._store()
        return True

    def restore(self) -> None:
        """Set the weights and buffers to those of the best epoch."""
        for path, layer in self.runner.layers.items():
            for name, parameter in layer.params.items():
                parameter.value = self._values[f"{path}/{name}"]
            layer.store.replace_buffers({name: self._buffers[f"{path}/{name}"] for name in layer.buffer_values})

    def carry_on(self, epoch: int, score: tuple[float, ...] | None, arrays: Mapping[str, Array]) -> None:
        """Continue with the best epoch of a run that was stopped, and its :attr:`arrays`."""
        self.epoch, self.score = epoch, score
        self._values = {path: arrays[path] for path in self.runner.parameters}
        self._buffers = {path: arrays[path] for path in self.runner.buffers}

    @property
    def arrays(self) -> dict[str, Array]:
        """The weights and buffers of the best epoch by ``node path/name``; not copied."""
        return {**self._values, **self._buffers}

    def _score(self, record: EpochRecord) -> tuple[float, ...]:
        """The score of an epoch; lower is better."""
        if self.selection is not None:
            return (self.selection(record),)
        if record.validation_loss is None:
            return (record.loss,)
        if self.metric is None or self.metric.name not in record.validation_metrics:
            return (record.validation_loss,)
        value = record.validation_metrics[self.metric.name]
        return (-value if self.metric.higher_is_better else value, record.validation_loss)

    def _store(self) -> None:
        # Parameters and buffers are replaced, never written in place: no copy is needed.
        self._values = {path: p.value for path, p in self.runner.parameters.items()}
        self._buffers = dict(self.runner.buffers)
