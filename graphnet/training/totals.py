"""Loss and metrics over all batches of an epoch; the result does not depend on the division into batches."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
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


def loss_arguments(name: str, outputs: Mapping[str, Array], batch: Batch, mask: Array | None) -> tuple[Any, ...]:
    """The arguments of a loss; the weights only where there are some, so that a loss need not take them."""
    weights = batch.weights.get(name)
    arguments = outputs[name], batch.targets[name], mask
    return arguments if weights is None else (*arguments, weights)


def valid_targets(
    losses: Mapping[str, Loss], shapes: Mapping[str, tuple[int, ...]], batch: Batch
) -> dict[str, Array | None]:
    """The valid targets of the outputs that have any, for outputs of these shapes; without those that losses ignore."""
    masks = {}
    for name, loss in losses.items():
        with guarded("loss", loss, "kept"):
            mask = loss.kept(shapes[name], batch.targets[name], batch.masks[name])
        if mask is None or mask.any():
            masks[name] = mask
    return masks


def batch_terms(loss: Loss, name: str, shape: tuple[int, ...], batch: Batch, mask: Array | None) -> float:
    """The number of terms, or the sum of their weights, over which a loss takes the mean in a batch."""
    weights = batch.weights.get(name)
    if weights is None and not loss.weighted:
        return count_terms(loss, shape, mask)
    return loss.terms(shape, batch.targets[name], mask, weights)


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


def takes_operations(loss: Loss) -> bool:
    """Whether a loss has the method of the base class, which takes the operations of a backend."""
    return getattr(type(loss), "value_and_error", None) is Loss.value_and_error


class Totals:
    """Accumulates the loss of each output, the metrics and the regularization loss over batches.

    Parameters
    ----------
    losses : mapping of output name to Loss
    metrics : tuple of Metric
        Computed on the first output with a loss; copied. Weights of the targets do not count in them.
    loss_weights : mapping of output name to float, optional
        Factors of the losses; 1 for an output that it does not have.
    operations : mapping, optional
        What the backend offers to losses.
    """

    def __init__(
        self,
        losses: Mapping[str, Loss],
        metrics: tuple[Metric, ...],
        loss_weights: Mapping[str, float] | None = None,
        operations: Operations | None = None,
    ) -> None:
        self.losses = losses
        #: For each loss, the arguments that let a backend compute it.
        self._options: dict[str, dict[str, Any]] = {
            name: {"operations": operations} if operations and takes_operations(loss) else {}
            for name, loss in losses.items()
        }
        self.loss_weights = dict.fromkeys(losses, 1.0) | dict(loss_weights or {})
        self.main = next(iter(losses))
        self.metrics = tuple(map(_reset, metrics))
        #: Whether each takes what the loss of the same output has checked.
        self._checked = [_checked_by(metric, losses[self.main]) for metric in self.metrics]
        self._values = dict.fromkeys(losses, 0.0)
        self._terms: dict[str, float] = dict.fromkeys(losses, 0)
        self._penalty = 0.0
        self.examples = 0

    def add_with_errors(self, outputs: Mapping[str, Array], batch: Batch) -> tuple[float, dict[str, Array]]:
        """Add a batch; return its loss and the error of each output (none if every sequence is empty)."""
        total, errors = 0.0, {}
        masks = self.valid(outputs, batch)
        for name, mask in masks.items():
            loss, share = self.losses[name], self.loss_weights[name]
            with guarded("loss", loss, "value_and_error"):
                arguments = loss_arguments(name, outputs, batch, mask)
                value, error = loss.value_and_error(*arguments, **self._options[name])
            total += share * value
            errors[name] = error if share == 1.0 else error * error.dtype.type(share)
            self.add_loss(name, value, batch_terms(loss, name, outputs[name].shape, batch, mask))
        self.update_metrics(outputs, batch, masks)
        return total, errors

    def add(self, outputs: Mapping[str, Array], batch: Batch) -> None:
        """Add a batch without computing errors."""
        masks = self.valid(outputs, batch)
        for name, mask in masks.items():
            loss = self.losses[name]
            with guarded("loss", loss, "value"):
                value = loss.value(*loss_arguments(name, outputs, batch, mask))
            self.add_loss(name, value, batch_terms(loss, name, outputs[name].shape, batch, mask))
        self.update_metrics(outputs, batch, masks)

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

    def valid(self, outputs: Mapping[str, Array], batch: Batch) -> dict[str, Array | None]:
        """The valid targets of the outputs that have any in this batch, without those that the loss ignores."""
        return valid_targets(self.losses, {name: outputs[name].shape for name in self.losses}, batch)

    def add_loss(self, name: str, value: float, count: float) -> None:
        """Add the loss of one output in a batch, which is a mean over ``count`` terms, or their sum."""
        loss = self.losses[name]
        self._terms[name] += count
        # A running mean: the sum may overflow where the mean does not. A value that is not finite stays so.
        if loss.reduction == "mean" and math.isfinite(self._values[name]):
            value = (value - self._values[name]) * (count / self._terms[name]) if self._terms[name] else 0.0
        self._values[name] += value

    def update_metrics(self, outputs: Mapping[str, Array], batch: Batch, masks: Mapping[str, Array | None]) -> None:
        """Add a batch to the metrics, and its examples; ``masks`` as :meth:`valid` returns them."""
        self.examples += batch.rows
        self.update_only_metrics(outputs, batch, masks)

    def merge_metrics(self, partials: Sequence[tuple[float, float]], rows: int) -> None:
        """Add what each metric has found in the rows of a batch; see :meth:`graphnet.metrics.Metric.merge`."""
        self.examples += rows
        for metric, partial in zip(self.metrics, partials, strict=True):
            metric.merge(partial)

    def update_only_metrics(
        self, outputs: Mapping[str, Array], batch: Batch, masks: Mapping[str, Array | None]
    ) -> None:
        """Add a batch to the metrics."""
        if self.metrics and self.main in masks:
            output, target, mask = outputs[self.main], batch.targets[self.main], masks[self.main]
            indices = target.dtype.kind in "iu" and target.shape == output.shape[:-1]
            for metric, checked in zip(self.metrics, self._checked, strict=True):
                with guarded("metric", metric, "update"):
                    if indices and checked:
                        metric.accumulate(valid(output, mask), valid(target, mask), None)
                    else:
                        metric.update(output, target, mask)

    def saved(self) -> Any:
        """What :meth:`restore` needs to leave out what is added later."""
        return dict(self._values), dict(self._terms), self._penalty, self.examples, copy.deepcopy(self.metrics)

    def restore(self, saved: Any) -> None:
        """Go back to what was saved."""
        self._values, self._terms, self._penalty, self.examples, self.metrics = saved

    @property
    def loss(self) -> float:
        """The loss over all batches: the mean over all terms, or the sum, plus the mean of the regularization loss.

        Those of several outputs are added, each times its weight.
        """
        values = [self.loss_weights[name] * value for name, value in self._values.items()]
        return self._penalty / max(1, self.examples) + sum(values)

    def results(self) -> dict[str, float]:
        """The metrics by name over all batches; empty before the first valid row."""
        return {metric.name: figure(metric) for metric in self.metrics} if self._terms[self.main] else {}
