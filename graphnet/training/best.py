"""The best epoch so far, and its weights."""

from __future__ import annotations

import math

from graphnet.core.describe.parameter import Array
from graphnet.core.run.runner import Runner
from graphnet.metrics import Metric
from graphnet.training.history import EpochRecord


class Best:
    """Keeps a copy of the weights and buffers of the best epoch.

    With held-out examples the first metric on them decides (its greatest or least value, as the metric says), the loss
    on them where metrics are equal or there is none. Without, the training loss decides. The earlier of equal epochs
    stays. An epoch whose figures are not finite is never better.

    Parameters
    ----------
    runner : Runner
        Its present weights count as epoch 0, worse than any other.
    metric : Metric or None
    """

    def __init__(self, runner: Runner, metric: Metric | None) -> None:
        self.runner = runner
        self.metric = metric
        self.epoch = 0
        self.score: tuple[float, ...] | None = None
        self._keep()

    def consider(self, record: EpochRecord) -> bool:
        """Keep the present weights if this epoch is better than all before; whether it was."""
        score = self._score(record)
        if not all(map(math.isfinite, score)) or (self.score is not None and score >= self.score):
            return False
        self.epoch, self.score = record.epoch, score
        self._keep()
        return True

    def restore(self) -> None:
        """Put the best weights and buffers back in place."""
        for path, layer in self.runner.layers.items():
            for name, parameter in layer.params.items():
                parameter.value = self._values[f"{path}/{name}"]
            layer.store.replace_buffers({name: self._buffers[f"{path}/{name}"] for name in layer.buffer_values})

    def _score(self, record: EpochRecord) -> tuple[float, ...]:
        """Less is better."""
        if record.validation_loss is None:
            return (record.loss,)
        if self.metric is None or self.metric.name not in record.validation_metrics:
            return (record.validation_loss,)
        value = record.validation_metrics[self.metric.name]
        return (-value if self.metric.higher_is_better else value, record.validation_loss)

    def _keep(self) -> None:
        # Parameters and buffers are replaced, never written, by whoever changes them: no copy is needed.
        self._values: dict[str, Array] = {path: p.value for path, p in self.runner.parameters.items()}
        self._buffers: dict[str, Array] = dict(self.runner.buffers)
