"""Outputs of a model as classes or probabilities, and how often the classes are confused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.errors import ConfigError, unknown
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.data.examples import examples
from graphnet.data.labels import by_output, decoded, encoded
from graphnet.data.weighting import Weighting
from graphnet.losses import Loss
from graphnet.metrics import ConfusionMatrix
from graphnet.training.config import TrainingConfig
from graphnet.training.totals import losses_by_output

#: What ``predict`` returns.
FORMS = ("outputs", "probabilities", "classes")


def check_form(runner: Runner, config: TrainingConfig, form: str) -> None:
    """Check the argument ``form`` of ``predict``.

    Raises
    ------
    ConfigError
        If it is unknown, or no output has a loss that defines it.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS, where="predict", error=ConfigError)
    if form != "outputs" and not any(
        loss.task != "numbers" for loss in losses_by_output(runner.graph, config).values()
    ):
        raise ConfigError(
            f"the model has no {form}",
            where="predict, form",
            expected="an output with a loss of classes, such as CrossEntropy",
            received=repr(config.loss),
        )


def in_form(runner: Runner, config: TrainingConfig, outputs: Any, form: str) -> Any:
    """What ``predict`` returns for outputs, in one of the ``FORMS``; outputs without classes are unchanged.

    Raises
    ------
    ConfigError
        If the loss does not define probabilities.
    """
    if form == "outputs":
        return outputs
    losses = losses_by_output(runner.graph, config)
    classes = by_output(losses, config.classes) or {}
    named = outputs if isinstance(outputs, Mapping) else {next(iter(runner.graph.outputs)): outputs}
    new = {name: _converted(value, losses.get(name), classes.get(name), form) for name, value in named.items()}
    return new if isinstance(outputs, Mapping) else next(iter(new.values()))


def _converted(value: Any, loss: Loss | None, names: tuple[Any, ...] | None, form: str) -> Any:
    if loss is None or loss.task == "numbers":
        return value
    if isinstance(value, list):
        return [_converted(part, loss, names, form) for part in value]
    if form == "probabilities":
        return loss.probabilities(value)
    numbers = loss.predicted(value)
    if loss.task == "labels" and numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]  # as the labels are given
    return decoded(numbers, names)


def confusion_matrix(
    runner: Runner,
    config: TrainingConfig,
    inputs: Any,
    targets: Any,
    *,
    output: str | None,
    lengths: Any,
    mask: Any,
    weighting: Weighting,
) -> ConfusionMatrix:
    """The result of ``Model.confusion_matrix``."""
    losses = losses_by_output(runner.graph, config)
    names = [name for name, loss in losses.items() if loss.task != "numbers"]
    if output is None and len(names) == 1:
        output = names[0]
    if output not in names:
        raise unknown("output with classes", str(output), names, where="confusion_matrix", error=ConfigError)
    classes = by_output(losses, config.classes)
    data = examples(
        runner,
        inputs,
        encoded(losses, targets, classes),
        losses=losses,
        lengths=lengths,
        mask=mask,
        batch_major=config.batch_major,
        dtype=config.dtype,
        weighting=weighting,
    )
    loss = losses[output]
    binary = loss.task == "labels"
    matrix = ConfusionMatrix((classes or {}).get(output), binary=binary)
    for batch in data.batches(config.batch_size):
        outputs = runner.forward(batch.inputs, phase=Phase.test, lengths=batch.lengths_or_none, keep=False)
        prediction, target = outputs[output], batch.targets[output]
        valid = loss.kept(prediction.shape, target, batch.masks[output])
        if valid is None or valid.any():
            matrix.update(prediction, target > 0 if binary else target, valid, batch.weights.get(output))
    return matrix
