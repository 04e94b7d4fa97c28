"""Loss and metrics of a graph on some examples, in the test phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.core.concurrency.claims import READ, Claim
from graphnet.core.errors import ConfigError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Examples
from graphnet.data.datasets.stream import Stream
from graphnet.data.examples import examples, no_targets
from graphnet.losses import Loss
from graphnet.training.config import TrainingConfig
from graphnet.training.feeds import read
from graphnet.training.totals import Totals, losses_of

#: Steps of a stream that are evaluated at a time, unless the configuration says how many.
STEPS = 256


def totals(runner: Runner, data: Examples | Stream, losses: Mapping[str, Loss], config: TrainingConfig) -> Totals:
    """Run all examples in the test phase and add up; a stream piece by piece, from its beginning."""
    found = Totals(losses, config.metrics)
    if isinstance(data, Stream):
        return _streamed(runner, data, losses, config, found)
    for batch in data.batches(config.batch_size):
        outputs = runner.forward(batch.inputs, phase=Phase.test, lengths=batch.given_lengths, keep=False)
        found.add(outputs, batch)
    return found


def _streamed(
    runner: Runner, stream: Stream, losses: Mapping[str, Loss], config: TrainingConfig, found: Totals
) -> Totals:
    state = State()
    for piece in read(runner, stream, STEPS if config.tbptt is None else config.tbptt[0], config, losses):
        if piece.fresh is not None and state.rows is not None:
            state.reset(piece.fresh)
        outputs, state = runner.resume(piece.inputs, state, phase=Phase.test, keep=False)
        found.add(outputs, piece)
    return found


def evaluate(
    runner: Runner, config: TrainingConfig, inputs: Any, targets: Any = None, *, lengths: Any = None, mask: Any = None
) -> dict[str, float]:
    """``loss`` (without regularization) and every metric by name, over all examples.

    Parameters
    ----------
    runner : Runner
    config : TrainingConfig
        Its losses, metrics, batch size and dtype are used.
    inputs, targets, lengths, mask
        As :func:`graphnet.data.examples.examples`; or a Stream alone, with the state carried over.

    Raises
    ------
    ConfigError, ShapeError, DtypeError, DataError
        Before anything runs.
    StateError
        If another thread is training the graph.
    """
    with Claim(READ, runner.keys, "evaluate", runner.graph):
        return _evaluated(runner, config, inputs, targets, lengths, mask)


def _evaluated(
    runner: Runner, config: TrainingConfig, inputs: Any, targets: Any, lengths: Any, mask: Any
) -> dict[str, float]:
    losses = losses_of(runner.graph, config)
    if isinstance(inputs, Stream):
        if any(value is not None for value in (targets, lengths, mask)):
            raise ConfigError("targets, lengths or a mask beside a Stream", where="evaluate", expected="it alone")
        data: Examples | Stream = inputs
    elif targets is None:
        raise no_targets("evaluate")
    else:
        data = examples(
            runner,
            inputs,
            targets,
            losses=losses,
            metrics=config.metrics,
            lengths=lengths,
            mask=mask,
            batch_major=config.batch_major,
            dtype=config.dtype,
        )
    found = totals(runner, data, losses, config)
    return {"loss": found.loss, **found.results()}
