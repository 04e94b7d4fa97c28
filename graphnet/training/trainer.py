"""The training loop: epochs over batches, validation, and the weights of the best epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.concurrency.blas_threads import PROCESS, limited
from graphnet.core.concurrency.claims import WRITE, Claim
from graphnet.core.describe import deltas
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, GraphnetError, StateError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Batch, Examples, split
from graphnet.data.datasets.stream import Stream
from graphnet.data.examples import examples, no_targets
from graphnet.training import evaluation
from graphnet.training.best import Best
from graphnet.training.callbacks import Callback
from graphnet.training.config import TrainingConfig
from graphnet.training.feeds import Feed, checked, feed
from graphnet.training.history import EpochRecord, History
from graphnet.training.totals import Totals, losses_of
from graphnet.training.updates import Updates


class Trainer:
    """Trains a graph: the weights of its layers are those that the best epoch ended with.

    One seed gives one run, equal to the bit on one machine, whatever was drawn before or is drawn in other threads:
    weights, dropout, the order of the examples and the choice of those held out all follow from ``config.seed``. (Where
    ``config.threads`` is not 1, the rounding of large products depends on the number of BLAS threads.)

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
    state : State or None
        Where the recurrent parts stood at the end of the stream in the best epoch; None where no Stream was given.
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
        self.state: State | None = None
        self.stopping = False

    def fit(
        self,
        inputs: Any,
        targets: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        validation_data: Any = None,
        warm_start: bool = False,
    ) -> History:
        """Train on these examples; afterwards the weights of the best epoch are in place.

        Parameters
        ----------
        inputs : array, list of sequences, mapping of input name to either, or Stream
            As :func:`graphnet.data.examples.examples`; a :class:`~graphnet.data.datasets.Stream` has its own targets,
            and needs ``config.tbptt``.
        targets, lengths, mask
            See there.
        validation_data : (inputs, targets) or (inputs, targets, lengths), or a Stream, optional
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
            If the loss, or an optimizer's state, is no longer finite; it names epoch and batch, and the best weights so
            far are in place. Before anything changes, if another thread is using the weights.
        ConfigError
            If a shared layer has several deltas, or ``drop_last`` leaves no batch; before anything changes.
        RuleError
            If a layer or an optimizer broke its promise.
        """
        with Claim(WRITE, self.runner.keys | {id(self)}, "fit", self.graph):
            data, held = self._divided(inputs, targets, lengths, mask, validation_data)
            feeding = feed(self.runner, data, self.config, self.losses)
            deltas.effective(deltas.chains(self.graph))  # before weights are drawn
            with self._setting():
                self._make_weights(self._first(data), warm_start)
                self._run(feeding, held)
            return self.history

    def evaluate(self, inputs: Any, targets: Any = None, *, lengths: Any = None, mask: Any = None) -> dict[str, float]:
        """Loss and metrics in the test phase; see :func:`graphnet.training.evaluation.evaluate`."""
        return evaluation.evaluate(self.runner, self.config, inputs, targets, lengths=lengths, mask=mask)

    # ------------------------------------------------------------------ before the first epoch
    def _divided(
        self, inputs: Any, targets: Any, lengths: Any, mask: Any, validation: Any
    ) -> tuple[Examples | Stream, Examples | Stream | None]:
        """What to train on, and what is held out."""
        if targets is None and not isinstance(inputs, Stream):
            raise no_targets("Trainer.fit")
        data = inputs if isinstance(inputs, Stream) else self.examples(inputs, targets, lengths, mask)
        if isinstance(data, Stream):
            self._check_stream(targets, lengths, mask, validation)
        if isinstance(validation, Stream):
            return data, validation
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
        if isinstance(data, Stream):
            return data, None
        rng = np.random.default_rng(self._seeds()[1])
        rows, held = split(len(data), self.config.validation, rng)
        return (data, None) if rows is None or held is None else (data.chosen(rows), data.chosen(held))

    def _check_stream(self, *others: Any) -> None:
        """Refuse what a stream cannot go with."""
        *beside, validation = others
        if any(value is not None for value in beside):
            raise ConfigError(
                "targets, lengths or a mask beside a Stream", where="Trainer.fit", expected="the Stream alone"
            )
        if self.config.tbptt is None:
            raise ConfigError(
                "a Stream is trained on piece by piece",
                where="TrainingConfig.tbptt",
                expected="(k1, k2), such as (50, 50)",
                received="None",
            )
        if self.config.validation and validation is None:
            raise ConfigError(
                "no share of a Stream can be held out",
                where="TrainingConfig.validation",
                expected="0, or validation_data",
                received=self.config.validation,
            )

    def _first(self, data: Examples | Stream) -> Batch:
        """A first batch, from which sizes follow that nothing declares."""
        if not isinstance(data, Stream):
            return data.batch(np.arange(1), 1)
        assert self.config.tbptt is not None
        piece = data.first(self.config.tbptt[0])
        found = checked(self.runner, piece, self.config.metrics, self.config.dtype, self.losses)
        return found.batch(slice(0, len(found)), len(found))

    def examples(self, inputs: Any, targets: Any, lengths: Any = None, mask: Any = None) -> Examples:
        """Examples as ``fit`` takes them, with everything about them checked; see there."""
        config = self.config
        return examples(
            self.runner,
            inputs,
            targets,
            losses=self.losses,
            metrics=config.metrics,
            lengths=lengths,
            mask=mask,
            batch_major=config.batch_major,
            dtype=config.dtype,
        )

    def _seeds(self) -> list[np.random.SeedSequence]:
        """Independent seeds: for the order of the examples, for the choice of those held out."""
        return np.random.SeedSequence(self.config.seed).spawn(2)

    @contextmanager
    def _setting(self) -> Iterator[None]:
        """The generator, the threads and numpy's warnings of a run (what is not finite is an error of ours)."""
        with ExitStack() as stack:
            PROCESS.refresh()
            stack.enter_context(limited(self.config.threads))
            stack.enter_context(random.using(np.random.default_rng(self.config.seed)))
            stack.enter_context(np.errstate(over="ignore", invalid="ignore", divide="ignore"))
            yield

    def _make_weights(self, first: Batch, warm_start: bool) -> None:
        """Make the weights that do not exist yet, with draws that do not count; then fill all of them."""
        sized = Runner(_sized(self.graph, first))
        with random.using(np.random.default_rng(0)):
            sized.materialize()
            if warm_start:
                return
            for layer in self.runner.layers.values():
                layer.store.replace_buffers({})
            sized.materialize()
        self.runner.initialize(self.config.weights_initializer, self.config.bias_initializer)

    # ------------------------------------------------------------------ the epochs
    def _run(self, feeding: Feed, held: Examples | Stream | None) -> None:
        self.history, self.state, self.stopping = History(), None, False
        best = Best(self.runner, next(iter(self.config.metrics), None))
        try:
            for callback in self.callbacks:
                callback.on_start(self, feeding.count)
            self._epochs(feeding, held, best)
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

    def _epochs(self, feeding: Feed, held: Examples | Stream | None, best: Best) -> None:
        updates = Updates(self.runner, self.config)
        order = np.random.default_rng(self._seeds()[0]) if self.config.shuffle else None
        for epoch in range(1, self.config.epochs + 1):
            record = self._epoch(epoch, feeding, held, updates, order)
            record = replace(record, best=best.consider(record))
            self.state = feeding.state if record.best else self.state
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
        feeding: Feed,
        held: Examples | Stream | None,
        updates: Updates,
        order: np.random.Generator | None,
    ) -> EpochRecord:
        start, norm = time.perf_counter(), 0.0
        rate = updates.set_epoch(epoch)
        totals = Totals(self.losses, self.config.metrics)
        for number, batch in enumerate(feeding.batches(order), 1):
            norm = max(norm, self._step(feeding, batch, totals, updates, f"epoch {epoch}, batch {number}"))
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

    def _step(self, feeding: Feed, batch: Batch, totals: Totals, updates: Updates, place: str) -> float:
        """Forward, backward and one update; the norm of the gradients."""
        outputs = feeding.forward(batch)
        with limited(updates.threads):
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
        feeding.backward(errors)
        try:
            with limited(updates.threads):
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
