"""Loss and metrics over all batches of an epoch; the result does not depend on the division into batches."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, unknown
from graphnet.core.operations import Operations
from graphnet.data.batches import Batch
from graphnet.losses import CrossEntropy, Loss
from graphnet.losses.rows import valid
from graphnet.metrics import Accuracy, Metric
from graphnet.training.config import TrainingConfig
from graphnet.training.guards import figure, guarded


def losses_by_output(graph: Graph, config: TrainingConfig) -> dict[str, Loss]:
    """The loss of each output that has one.

    Raises
    ------
    ConfigError
        If one loss is given for several outputs, or one for an output that does not exist.
    """
    if isinstance(config.loss, Loss):
        if len(graph.outputs) > 1:
            raise ConfigError(
                "one loss for several outputs",
                where="TrainingConfig.loss",
                expected=f"a mapping with some of {', '.join(graph.outputs)}",
                received=repr(config.loss),
            )
        return {next(iter(graph.outputs)): config.loss}
    for name in config.loss:
        if name not in graph.outputs:
            raise unknown("output", name, graph.outputs, where="TrainingConfig.loss", error=ConfigError)
    return dict(config.loss)


def count_terms(loss: Loss, shape: tuple[int, ...], mask: Array | None) -> int:
    """The number of terms over which a loss takes the mean, for a prediction of this shape.

    Examples
    --------
    >>> from graphnet.losses import CrossEntropy, MeanSquaredError
    >>> count_terms(CrossEntropy(), (5, 3), None), count_terms(MeanSquaredError(), (5, 3), None)
    (5, 15)
    """
    leading = shape[: len(shape) - loss.row_axes]
    return math.prod(leading) if mask is None else int(mask.sum()) * math.prod(leading[mask.ndim :])


def _reset(metric: Metric) -> Metric:
    """A copy of a metric, without results."""
    with guarded("metric", metric, "reset"):
        metric = copy.deepcopy(metric)
        metric.reset()
        return metric


def _checked_by(metric: Metric, loss: Loss) -> bool:
    """Whether class indices that a loss accepts need no checks by a metric."""
    ignored = getattr(loss, "ignore_index", None), getattr(metric, "ignore_index", None)
    return type(metric) is Accuracy and not metric.binary and type(loss) is CrossEntropy and ignored == (None, None)


def _takes_operations(loss: Loss) -> bool:
    """Whether a loss has the method of the base class, which takes the operations of a backend."""
    return getattr(type(loss), "value_and_error", None) is Loss.value_and_error


class Totals:
    """Accumulates the loss of each output, the metrics and the regularization loss over batches.

    Parameters
    ----------
    losses : mapping of output name to Loss
    metrics : tuple of Metric
        Computed on the first output with a loss; copied.
    operations : mapping, optional
        What the backend offers to losses.
    """

    def __init__(
        self, losses: Mapping[str, Loss], metrics: tuple[Metric, ...], operations: Operations | None = None
    ) -> None:
        self.losses = losses
        #: For each loss, the arguments that let a backend compute it.
        self._options: dict[str, dict[str, Any]] = {
            name: {"operations": operations} if operations and _takes_operations(loss) else {}
            for name, loss in losses.items()
        }
        self.main = next(iter(losses))
        self.metrics = tuple(map(_reset, metrics))
        #: Those that take what the loss of the same output has checked.
        self._checked = {id(metric) for metric in self.metrics if _checked_by(metric, losses[self.main])}
        self._values = dict.fromkeys(losses, 0.0)
        self._terms = dict.fromkeys(losses, 0)
        self._penalty = 0.0
        self.examples = 0

    def add_with_errors(self, outputs: Mapping[str, Array], batch: Batch) -> tuple[float, dict[str, Array]]:
        """Add a batch; return its loss and the error of each output (none if every sequence is empty)."""
        total, errors = 0.0, {}
        for name, loss in self._valid_losses(batch).items():
            with guarded("loss", loss, "value_and_error"):
                arguments = outputs[name], batch.targets[name], batch.masks[name]
                value, errors[name] = loss.value_and_error(*arguments, **self._options[name])
            total += value
            self._add_loss(name, value, outputs[name], batch.masks[name])
        self._update_metrics(outputs, batch)
        return total, errors

    def add(self, outputs: Mapping[str, Array], batch: Batch) -> None:
        """Add a batch without computing errors."""
        for name, loss in self._valid_losses(batch).items():
            with guarded("loss", loss, "value"):
                value = loss.value(outputs[name], batch.targets[name], batch.masks[name])
            self._add_loss(name, value, outputs[name], batch.masks[name])
        self._update_metrics(outputs, batch)

    def add_penalty(self, penalty: float, rows: int) -> None:
        """Add the regularization loss of a batch with this number of rows."""
        self._penalty += penalty * rows

    def partial(self) -> dict[str, Any]:
        """The sums so far, without the metrics; not copied."""
        return {
            "values": self._values, "terms": self._terms, "penalty": self._penalty, "examples": self.examples,
        }  # fmt: skip

    def carry_on(self, partial: Mapping[str, Any]) -> None:
        """Continue from what :meth:`partial` returned."""
        self._values, self._terms = dict(partial["values"]), dict(partial["terms"])
        self._penalty, self.examples = partial["penalty"], partial["examples"]

    def _valid_losses(self, batch: Batch) -> dict[str, Loss]:
        """The losses of the outputs that have a valid step in this batch."""
        masks = batch.masks
        return {name: loss for name, loss in self.losses.items() if (mask := masks[name]) is None or mask.any()}

    def _add_loss(self, name: str, value: float, output: Array, mask: Array | None) -> None:
        count = count_terms(self.losses[name], output.shape, mask)
        self._terms[name] += count
        # A running mean: the sum may overflow where the mean does not. A value that is not finite stays so.
        if self.losses[name].reduction == "mean" and math.isfinite(self._values[name]):
            value = (value - self._values[name]) * (count / self._terms[name])
        self._values[name] += value

    def _update_metrics(self, outputs: Mapping[str, Array], batch: Batch) -> None:
        self.examples += batch.rows
        mask = batch.masks[self.main]
        if mask is None or mask.any():
            output, target = outputs[self.main], batch.targets[self.main]
            indices = target.dtype.kind in "iu" and target.shape == output.shape[:-1]
            for metric in self.metrics:
                with guarded("metric", metric, "update"):
                    if indices and id(metric) in self._checked:
                        metric.accumulate(valid(output, mask), valid(target, mask), None)
                    else:
                        metric.update(output, target, mask)

    @property
    def loss(self) -> float:
        """The loss over all batches: the mean over all terms, or the sum, plus the mean of the regularization loss."""
        return self._penalty / max(1, self.examples) + sum(self._values.values())

    def results(self) -> dict[str, float]:
        """The metrics by name over all batches; empty before the first valid row."""
        return {metric.name: figure(metric) for metric in self.metrics} if self._terms[self.main] else {}
