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
from graphnet.data.labels import by_output, encoded
from graphnet.data.weighting import Weighting
from graphnet.losses import Loss
from graphnet.training.config import TrainingConfig
from graphnet.training.feeds import stream_batches
from graphnet.training.totals import Totals, losses_by_output

#: Steps of a stream that are evaluated at a time, unless ``tbptt`` is configured.
STEPS = 256


def totals(runner: Runner, data: Examples | Stream, losses: Mapping[str, Loss], config: TrainingConfig) -> Totals:
    """The totals over all examples in the test phase; a stream is run piece by piece from its beginning."""
    result = Totals(losses, config.metrics, config.loss_weights)
    if isinstance(data, Stream):
        _add_stream(runner, data, losses, config, result)
        return result
    for batch in data.batches(config.batch_size):
        outputs = runner.forward(batch.inputs, phase=Phase.test, lengths=batch.lengths_or_none, keep=False)
        result.add(outputs, batch)
    return result


def _add_stream(
    runner: Runner, stream: Stream, losses: Mapping[str, Loss], config: TrainingConfig, result: Totals
) -> None:
    state = State()
    steps = STEPS if config.tbptt is None else config.tbptt[0]
    for piece in stream_batches(runner, stream.pieces(steps), config, losses):
        if piece.fresh is not None and state.rows is not None:
            state.reset(piece.fresh)
        outputs, state = runner.resume(piece.inputs, state, phase=Phase.test, keep=False)
        result.add(outputs, piece)


def evaluate(
    runner: Runner,
    config: TrainingConfig,
    inputs: Any,
    targets: Any = None,
    *,
    lengths: Any = None,
    mask: Any = None,
    sample_weight: Any = None,
    target_mask: Any = None,
) -> dict[str, float]:
    """Return ``loss`` (without regularization) and every metric by name, over all examples.

    Parameters
    ----------
    runner : Runner
    config : TrainingConfig
        Its losses, metrics, batch size and dtype are used.
    inputs, targets, lengths, mask
        As in :func:`graphnet.data.examples.examples`; or a Stream alone, whose state is carried over.
    sample_weight, target_mask
        As in ``Trainer.fit``; metrics take account of the mask and not of the weights.

    Raises
    ------
    ConfigError, ShapeError, DtypeError, DataError
        Before anything runs.
    StateError
        If another thread is training the graph.
    """
    with Claim(READ, runner.keys, "evaluate", runner.graph):
        return _evaluate(runner, config, inputs, targets, lengths, mask, Weighting(sample_weight, target_mask))


def _evaluate(
    runner: Runner,
    config: TrainingConfig,
    inputs: Any,
    targets: Any,
    lengths: Any,
    mask: Any,
    weighting: Weighting,
) -> dict[str, float]:
    losses = losses_by_output(runner.graph, config)
    if isinstance(inputs, Stream):
        others = targets, lengths, mask, weighting.sample_weight, weighting.target_mask
        if any(value is not None for value in others):
            raise ConfigError(
                "a Stream takes no targets, lengths, masks or weights",
                where="evaluate",
                expected="the Stream alone",
            )
        data: Examples | Stream = inputs
    elif targets is None:
        raise no_targets("evaluate")
    else:
        data = examples(
            runner,
            inputs,
            encoded(losses, targets, by_output(losses, config.classes)),
            losses=losses,
            metrics=config.metrics,
            lengths=lengths,
            mask=mask,
            batch_major=config.batch_major,
            dtype=config.dtype,
            weighting=weighting,
        )
    result = totals(runner, data, losses, config)
    return {"loss": result.loss, **result.results()}
