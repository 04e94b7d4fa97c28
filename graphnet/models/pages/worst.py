"""The examples with the largest loss, with their inputs and labels, as data for a page."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphnet.core.concurrency.claims import READ, Claim
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError
from graphnet.core.phase import Phase
from graphnet.data.batches import Batch, Examples
from graphnet.data.datasets.stream import Stream
from graphnet.data.examples import examples, no_targets
from graphnet.data.labels import by_output, decoded, encoded
from graphnet.data.ports import input_ports
from graphnet.losses import Loss
from graphnet.models.given_data import for_evaluation
from graphnet.models.model import Model
from graphnet.models.pages.details import downsampled, heat
from graphnet.training.totals import Totals, losses_by_output

#: The most examples; the side of a picture; the most numbers that are written out.
MOST, SIDE, NUMBERS = 50, 48, 24
#: The most channels, in the last of three or more axes, that become one picture by their mean.
CHANNELS = 4


def worst_data(model: Model, inputs: Any, targets: Any, count: int) -> dict[str, Any]:
    """The ``count`` examples with the largest loss in the test phase, the largest first.

    The loss of an example is that of a batch of this example alone; one that is not finite counts as largest. Positions
    are counted from 0.

    Raises
    ------
    ConfigError
        If the data are a Stream, which has no single examples.
    GraphnetError
        If the data do not fit; before anything runs.
    """
    inputs, targets = for_evaluation(model.graph, model.config, inputs, targets)
    if isinstance(inputs, Stream):
        raise ConfigError("a stream has no single examples", where="report, worst", expected="examples")
    if targets is None:
        raise no_targets("report, worst")
    losses = losses_by_output(model.graph, model.config)
    classes = by_output(losses, model.config.classes) or {}
    config = model.config
    data = examples(
        model.runner, inputs, encoded(losses, targets, classes or None), losses=losses,
        batch_major=config.batch_major, dtype=config.dtype,
    )  # fmt: skip
    with Claim(READ, model.runner.keys, "report", model.graph):
        scored = _scored(model, data, losses)
        found = heapq.nlargest(count, scored, key=lambda each: (math.inf if math.isnan(each[0]) else each[0], -each[1]))
    rows = [_example(model, data, row, losses, classes) | {"loss": _number(loss), "row": row} for loss, row in found]
    return {"of": len(data), "examples": rows}


def _scored(model: Model, data: Examples, losses: Mapping[str, Loss]) -> Iterator[tuple[float, int]]:
    """The loss and the position of each example."""
    start = 0
    for batch in data.batches(model.config.batch_size):
        outputs = _forward(model, batch)
        for i in range(batch.rows):
            totals = Totals(losses, (), model.config.loss_weights)
            totals.add(*_row(data, outputs, batch, i))
            yield totals.loss, start + i
        start += batch.rows


def _forward(model: Model, batch: Batch) -> Mapping[str, Array]:
    return model.runner.forward(batch.inputs, phase=Phase.test, lengths=batch.lengths_or_none, keep=False)


def _row(data: Examples, outputs: Mapping[str, Array], batch: Batch, i: int) -> tuple[dict[str, Array], Batch]:
    """One row of a batch and of its outputs."""

    def taken(named: Mapping[str, Any]) -> dict[str, Any]:
        axes = {name: data.outputs[name].axis for name in named}
        return {n: None if a is None else np.take(a, [i], min(axes[n], a.ndim - 1)) for n, a in named.items()}

    row = Batch({}, {}, taken(batch.targets), taken(batch.masks), 1, weights=taken(batch.weights))
    return taken(outputs), row


def _example(
    model: Model, data: Examples, row: int, losses: Mapping[str, Loss], classes: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs of an example, and what is true and predicted for each output with a loss."""
    batch = data.subset(np.array([row])).batch(np.array([row]), 1)
    outputs = _forward(model, batch)
    answers = []
    for name, loss in losses.items():
        true, predicted = batch.targets[name], outputs[name]
        mask = batch.masks[name]
        if mask is not None and mask.ndim == 2:  # of a sequence, the valid steps
            true, predicted = true[mask[:, 0]], predicted[mask[:, 0]]
        if loss.task != "numbers":
            predicted = decoded(loss.predicted(predicted), classes.get(name))
            true = _named(true, loss, predicted.shape, classes.get(name))
        answers.append([name, _text(true), _text(predicted)])
    ports = input_ports(model.graph)
    pictures = []
    for name, array in batch.inputs.items():
        value = np.take(array, 0, ports[name].axis)
        if name in batch.lengths:
            value = value[: batch.lengths[name][0]]
        pictures.append(_picture(name, value, ports[name].sequence))
    return {"answers": answers, "inputs": pictures}


def _named(true: Array, loss: Loss, shape: tuple[int, ...], names: Any) -> Array:
    """Targets of classes by their names: numbers of classes, or one-hot."""
    if true.shape != shape and true.ndim == len(shape) + 1 and loss.task == "classes":
        true = true.argmax(-1)
    if names is None or (true.dtype.kind == "f" and not np.all(true == np.rint(true))):
        return true
    numbers = true.astype(int)
    return decoded(numbers, names) if np.all((numbers >= 0) & (numbers < len(names))) else numbers


def _text(value: Array) -> str:
    flat = np.ravel(value)
    words = [f"{each:.4g}" if flat.dtype.kind == "f" else str(each) for each in flat[:NUMBERS]]
    return " ".join(words) + (f" … ({flat.size} values)" if flat.size > NUMBERS else "")


def _picture(name: str, value: Array, sequence: bool) -> dict[str, Any]:
    """An input: few numbers as text, others as a heat map, sequences as units by steps."""
    data: dict[str, Any] = {"name": name, "shape": list(value.shape)}
    if value.size <= NUMBERS or value.dtype.kind not in "fiu":
        return data | {"text": _text(value)}
    numbers = np.squeeze(value).astype(np.float64)
    if numbers.ndim > 2 and numbers.shape[-1] <= CHANNELS:
        numbers = numbers.mean(axis=-1)
    matrix = numbers.reshape(1, -1) if numbers.ndim == 1 else numbers.reshape(-1, numbers.shape[-1])
    if sequence and numbers.ndim == 2:
        matrix = matrix.T
    finite = matrix[np.isfinite(matrix)]
    if not finite.size:
        return data | {"text": _text(value)}
    low, high = float(finite.min()), float(finite.max())
    reach = max(abs(low), abs(high)) or 1.0
    return data | {"low": _number(low), "high": _number(high), "heat": heat(downsampled(matrix, SIDE), reach)}


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
