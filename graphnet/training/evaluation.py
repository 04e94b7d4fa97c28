"""Loss and metrics of a graph on some examples, in the test phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.phase import Phase
from graphnet.core.runner import Runner
from graphnet.losses import Loss
from graphnet.training.batches import Examples
from graphnet.training.config import TrainingConfig
from graphnet.training.examples import examples
from graphnet.training.totals import Totals, losses_of


def totals(runner: Runner, data: Examples, losses: Mapping[str, Loss], config: TrainingConfig) -> Totals:
    """Run all examples in the test phase and add up."""
    found = Totals(losses, config.metrics)
    for batch in data.batches(config.batch_size):
        outputs = runner.forward(batch.inputs, phase=Phase.test, lengths=batch.given_lengths, keep=False)
        found.add(outputs, batch)
    return found


def evaluate(
    runner: Runner, config: TrainingConfig, inputs: Any, targets: Any, *, lengths: Any = None
) -> dict[str, float]:
    """``loss`` (without regularization) and every metric by name, over all examples.

    Parameters
    ----------
    runner : Runner
    config : TrainingConfig
        Its losses, metrics, batch size and dtype are used.
    inputs, targets, lengths
        As :func:`graphnet.training.examples.examples`.

    Raises
    ------
    ConfigError, ShapeError, DtypeError, DataError
        Before anything runs.
    """
    losses = losses_of(runner.graph, config)
    data = examples(runner, inputs, targets, losses=losses, metrics=config.metrics, lengths=lengths, dtype=config.dtype)
    found = totals(runner, data, losses, config)
    return {"loss": found.loss, **found.results()}
