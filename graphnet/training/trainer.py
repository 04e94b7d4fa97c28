"""The training loop: epochs over batches, validation, and the weights of the best epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.callbacks import Callback
from graphnet.core import random
from graphnet.core.errors import ConfigError, GraphnetError, StateError
from graphnet.core.graph import Graph
from graphnet.core.runner import Runner
from graphnet.core.shapes import Shape
from graphnet.training import evaluation
from graphnet.training.batches import Batch, Examples, split
from graphnet.training.best import Best
from graphnet.training.config import TrainingConfig
from graphnet.training.examples import examples
from graphnet.training.history import EpochRecord, History
from graphnet.training.totals import Totals, losses_of
from graphnet.training.updates import Updates


class Trainer:
    """Trains a graph: the weights of its layers are those that the best epoch ended with.

    One seed gives one run, equal to the bit on one machine, whatever was drawn before: weights, dropout, the order of
    the examples and the choice of those held out all follow from ``config.seed``.

    Parameters
    ----------
    graph : Graph
    config : TrainingConfig, optional
    callbacks : iterable of Callback

    Attributes
    ----------
    runner : Runner
        Over the graph and the weights of its layers.
    history : History
        Of the last ``fit``, complete once it has ended.
    stopping : bool
        A callback sets this to end the run after the present epoch.

    Raises
    ------
    ConfigError
        If the losses do not belong to the graph's outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import Builder, FullyConnected
    >>> from graphnet.losses import MeanSquaredError
    >>> g = Builder("line")
    >>> graph = g.build(FullyConnected(1, 1)(g.input("x", "batch, feature=1")))
    >>> trainer = Trainer(graph, TrainingConfig(loss=MeanSquaredError(), epochs=200, batch_size=4, dtype="float64"))
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> history = trainer.fit(x, 3 * x)
    >>> history.best.loss < history.epochs[0].loss
    True
    """

    def __init__(
        self, graph: Graph, config: TrainingConfig | None = None, *, callbacks: Iterable[Callback] = ()
    ) -> None:
        self.graph = graph
        self.config = TrainingConfig() if config is None else config
        self.callbacks = (*self.config.callbacks, *callbacks)
        self.runner = Runner(graph, backend=self.config.backend)
        self.losses = losses_of(graph, self.config)
        self.history = History()
        self.stopping = False

    def fit(
        self, inputs: Any, targets: Any, *, lengths: Any = None, validation_data: Any = None, warm_start: bool = False
    ) -> History:
        """Train on these examples; afterwards the weights of the best epoch are in place.

        Parameters
        ----------
        inputs, targets, lengths
            As :func:`graphnet.training.examples.examples`.
        validation_data : (inputs, targets) or (inputs, targets, lengths), optional
            Examples to choose the best epoch with; without them ``config.validation`` says how many are held out.
        warm_start : bool
            Go on from the present weights; otherwise they are drawn anew.

        Returns
        -------
        History
            Ctrl-C ends the run early and is no error: ``history.stopped`` is then ``'interrupted'``.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Before anything changes.
        StateError
            If the loss is no longer finite; it names epoch and batch, and the best weights so far are in place.
        RuleError
            If a layer or an optimizer broke its promise.
        """
        data, held = self._divided(inputs, targets, lengths, validation_data)
        with self._setting():
            self._make_weights(data, warm_start)
            self._run(data, held)
        return self.history

    def evaluate(self, inputs: Any, targets: Any, *, lengths: Any = None) -> dict[str, float]:
        """Loss and metrics in the test phase; see :func:`graphnet.training.evaluation.evaluate`."""
        return evaluation.evaluate(self.runner, self.config, inputs, targets, lengths=lengths)

    # ------------------------------------------------------------------ before the first epoch
    def _divided(self, inputs: Any, targets: Any, lengths: Any, validation: Any) -> tuple[Examples, Examples | None]:
        """The examples to train on, and those held out."""
        data = self.examples(inputs, targets, lengths)
        if validation is not None:
            if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
                raise ConfigError(
                    "validation_data cannot be used",
                    where="Trainer.fit",
                    expected="(inputs, targets) or (inputs, targets, lengths)",
                    received=type(validation).__name__,
                    remedy="To hold out a share of the examples, set validation in the configuration.",
                )
            return data, self.examples(*validation)
        rng = np.random.default_rng(self._seeds()[1])
        rows, held = split(len(data), self.config.validation, rng)
        return (data, None) if rows is None or held is None else (data.chosen(rows), data.chosen(held))

    def examples(self, inputs: Any, targets: Any, lengths: Any = None) -> Examples:
        """Examples as ``fit`` takes them, with everything about them checked; see there."""
        config = self.config
        return examples(
            self.runner,
            inputs,
            targets,
            losses=self.losses,
            metrics=config.metrics,
            lengths=lengths,
            dtype=config.dtype,
        )

    def _seeds(self) -> list[np.random.SeedSequence]:
        """Independent seeds: for the order of the examples, for the choice of those held out."""
        return np.random.SeedSequence(self.config.seed).spawn(2)

    @contextmanager
    def _setting(self) -> Iterator[None]:
        """The generator, the threads and numpy's warnings of a run (what is not finite is an error of ours)."""
        with ExitStack() as stack:
            if self.config.threads is not None:
                from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

                stack.enter_context(threadpool_limits(self.config.threads))
            stack.enter_context(random.using(np.random.default_rng(self.config.seed)))
            stack.enter_context(np.errstate(over="ignore", invalid="ignore", divide="ignore"))
            yield

    def _make_weights(self, data: Examples, warm_start: bool) -> None:
        """Make the weights that do not exist yet, with draws that do not count; then fill all of them."""
        sized = Runner(_sized(self.graph, data.batch(np.arange(1), 1)))
        with random.using(np.random.default_rng(0)):
            sized.materialize()
            if warm_start:
                return
            for layer in self.runner.layers.values():
                layer._buffers.clear()
            sized.materialize()
        self.runner.initialize(self.config.weights_initializer, self.config.bias_initializer)

    # ------------------------------------------------------------------ the epochs
    def _run(self, data: Examples, held: Examples | None) -> None:
        self.history, self.stopping = History(), False
        best = Best(self.runner, next(iter(self.config.metrics), None))
        try:
            for callback in self.callbacks:
                callback.on_start(self, math.ceil(len(data) / self.config.batch_size))
            self._epochs(data, held, best)
        except KeyboardInterrupt:
            self.history.stopped = "interrupted"
        except BaseException:
            self.history.stopped = "failed"
            raise
        finally:
            self._end(best)

    def _end(self, best: Best) -> None:
        if best.epoch or self.history.stopped == "failed":
            best.restore()
        self.history.best_epoch = best.epoch
        for callback in self.callbacks:
            callback.on_end(self, self.history)

    def _epochs(self, data: Examples, held: Examples | None, best: Best) -> None:
        updates = Updates(self.runner, self.config)
        order = np.random.default_rng(self._seeds()[0]) if self.config.shuffle else None
        for epoch in range(1, self.config.epochs + 1):
            record = self._epoch(epoch, data, held, updates, order)
            record = replace(record, best=best.consider(record))
            self.history.epochs.append(record)
            self.history.best_epoch = best.epoch
            for callback in self.callbacks:
                callback.on_epoch_end(self, record)
            if self.stopping or self._impatient(epoch, best):
                self.history.stopped = "callback" if self.stopping else "patience"
                return

    def _impatient(self, epoch: int, best: Best) -> bool:
        return self.config.patience is not None and epoch - best.epoch >= self.config.patience

    def _epoch(
        self,
        epoch: int,
        data: Examples,
        held: Examples | None,
        updates: Updates,
        order: np.random.Generator | None,
    ) -> EpochRecord:
        start, norm = time.perf_counter(), 0.0
        rate = updates.set_epoch(epoch)
        totals = Totals(self.losses, self.config.metrics)
        for number, batch in enumerate(data.batches(self.config.batch_size, order), 1):
            norm = max(norm, self._step(batch, totals, updates, f"epoch {epoch}, batch {number}"))
            for callback in self.callbacks:
                callback.on_batch_end(self, epoch, number, totals.loss)
        kept = None if held is None else evaluation.totals(self.runner, held, self.losses, self.config)
        return EpochRecord(
            epoch=epoch,
            loss=totals.loss,
            metrics=totals.results(),
            validation_loss=None if kept is None else kept.loss,
            validation_metrics={} if kept is None else kept.results(),
            learning_rate=rate,
            gradient_norm=norm,
            seconds=time.perf_counter() - start,
            examples=totals.examples,
        )

    def _step(self, batch: Batch, totals: Totals, updates: Updates, place: str) -> float:
        """Forward, backward and one update; the norm of the gradients."""
        outputs = self.runner.forward(batch.inputs, lengths=batch.given_lengths, input_errors=False)
        penalty = updates.penalty()
        loss, errors = totals.errors(outputs, batch)
        totals.penalize(penalty, batch.rows)
        if not math.isfinite(loss + penalty):
            raise StateError(
                "the training loss is not finite",
                where=place,
                expected="a finite loss",
                received=loss + penalty,
                remedy="Lower the learning rate, clip the gradients (clip_norm), or look for NaN in the data.",
            )
        if not errors:
            return 0.0
        self.runner.backward(errors)
        try:
            return updates.step()
        except GraphnetError as error:
            raise error.at(place) from None


def _sized(graph: Graph, batch: Batch) -> Graph:
    """The same graph of the same layers, with inputs declared to be as large as those of a batch."""
    inputs = dict(graph.inputs)
    for name, array in batch.inputs.items():
        declared = inputs[name].shape
        shape = Shape.of(array.shape, None if declared is None else declared.names)
        inputs[name] = replace(inputs[name], shape=shape)
    return Graph(graph.name, inputs, graph.nodes, graph.outputs)
