"""The Trainer: epochs over batches, validation, callbacks, and the weights of the best epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from graphnet.core import random
from graphnet.core.arguments import explain_arguments, explain_methods
from graphnet.core.attributes import ExplainedAttributes, refuse_new
from graphnet.core.checks import flag
from graphnet.core.concurrency.blas_threads import PROCESS, limited
from graphnet.core.concurrency.claims import WRITE, Claim
from graphnet.core.describe import deltas
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.graph_argument import require_graph
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphnetError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Batch, Examples
from graphnet.data.datasets.stream import Stream
from graphnet.training import checks, evaluation
from graphnet.training.best_weights import BestWeights
from graphnet.training.callbacks import Callback
from graphnet.training.checkpoints import Checkpoints
from graphnet.training.config import SETTINGS, TrainingConfig, require_config
from graphnet.training.epoch import EpochRunner
from graphnet.training.feeds import Feed, make_feed
from graphnet.training.fit_data import DataReader
from graphnet.training.guards import guarded
from graphnet.training.history import History
from graphnet.training.snapshot import Snapshot
from graphnet.training.totals import losses_by_output


class Trainer(ExplainedAttributes):
    """Trains a graph; afterwards its layers have the weights of the best epoch.

    The same seed gives the same run, equal to the bit on one machine, independent of random numbers drawn before or in
    other threads: weights, dropout, the order of the examples and the choice of the held-out ones depend only on
    ``config.seed``. (If ``config.threads`` is not 1, the rounding of large products depends on the number of BLAS
    threads.)

    Parameters
    ----------
    graph : Graph
    config : TrainingConfig, optional
    callbacks : iterable of Callback
    checkpoints : Checkpoints, optional
        Receives the checkpoints of a run. None: the first of the callbacks that is a Checkpoints, if there is one.

    Attributes
    ----------
    runner : Runner
        Runs the graph, and holds the weights of its layers.
    history : History
        Of the last ``fit``; complete when it has ended.
    state : State or None
        The state at the end of the stream in the best epoch; None without a Stream.
    stopping : bool
        A callback sets this to True to stop the run after the current epoch.

    Raises
    ------
    ConfigError
        If the losses do not match the outputs of the graph.

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

    elsewhere: ClassVar[Mapping[str, str]] = {
        "train": "Call fit(inputs, targets).",
        "predict": "Call runner.forward, or use a Model.",
        "save": "Use a Model, or graphnet.io.save_weights(path, trainer.runner).",
    }

    def __setattr__(self, name: str, value: Any) -> None:
        if "stopping" in vars(self):  # the last one that the constructor sets
            refuse_new(self, name, Trainer, SETTINGS)
        object.__setattr__(self, name, value)

    def __init__(
        self,
        graph: Graph,
        config: TrainingConfig | None = None,
        *,
        callbacks: Iterable[Callback] = (),
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.graph = require_graph(graph, "Trainer")
        self.config = require_config(config, "Trainer")
        given = (
            callbacks if isinstance(callbacks, (Callback, str)) or not isinstance(callbacks, Iterable) else [*callbacks]
        )
        self.callbacks = (*self.config.callbacks, *checks.callbacks(given))
        found = (callback for callback in self.callbacks if isinstance(callback, Checkpoints))
        self.checkpoints = next(found, Checkpoints()) if checkpoints is None else checkpoints
        self.runner = Runner(graph, backend=self.config.backend)
        self._step, self._best = 0, BestWeights(self.runner, None)
        self.losses = losses_by_output(graph, self.config)
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
        """Train on these examples, and restore the weights of the best epoch.

        Parameters
        ----------
        inputs : array, list of sequences, mapping of input name to either, or Stream
            As in :func:`graphnet.data.examples.examples`; a :class:`~graphnet.data.datasets.Stream` has its own
            targets, and requires ``config.tbptt``.
        targets, lengths, mask
            As in :func:`graphnet.data.examples.examples`.
        validation_data : (inputs, targets) or (inputs, targets, lengths), or a Stream, optional
            Examples that select the best epoch; None: the share ``config.validation`` of the examples is held out.
        warm_start : bool
            Whether training continues from the present weights; otherwise they are drawn again.

        Returns
        -------
        History
            Ctrl-C stops the run early and is not an error: ``history.stopped`` is then ``'interrupted'``.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Before anything changes.
        StateError
            If the loss, or the state of an optimizer, is not finite; the message names the epoch and the batch, and the
            weights of the best epoch so far are restored. If another thread is using the weights, before anything
            changes.
        ConfigError
            If a shared layer has several deltas, or ``drop_last`` leaves no batch; before anything changes.
        RuleError
            If a layer, an optimizer or a metric returns an invalid value, or a callback, a metric or a loss raises an
            exception: the message names it. If a callback fails in ``on_end``, the others are called first, and the run
            is complete.
        """
        warm_start = flag("fit", "warm_start", warm_start)
        with Claim(WRITE, self.runner.keys | {id(self)}, "fit", self.graph):
            order_seed, split_seed = self._seeds()
            data, validation = self._reader.training_and_validation(
                inputs, targets, lengths, mask, validation_data, np.random.default_rng(split_seed)
            )
            feed = make_feed(self.runner, data, self.config, self.losses)
            deltas.effective(deltas.chains(self.graph))  # checked before weights are drawn
            with self._context():
                self._create_weights(self._reader.first_batch(data), warm_start)
                self._run(feed, validation, np.random.default_rng(order_seed) if self.config.shuffle else None)
            return self.history

    def evaluate(self, inputs: Any, targets: Any = None, *, lengths: Any = None, mask: Any = None) -> dict[str, float]:
        """Loss and metrics in the test phase; see :func:`graphnet.training.evaluation.evaluate`."""
        return evaluation.evaluate(self.runner, self.config, inputs, targets, lengths=lengths, mask=mask)

    def snapshot(self) -> Snapshot:
        """A copy of everything that decides the future of the run; for Checkpoints, between two updates."""
        weights = {name: p.value.copy() for name, p in self.runner.parameters.items()}
        weights |= {name: array.copy() for name, array in self.runner.buffers.items()}
        arrays = {"weights": weights}
        if self._best.epoch:
            arrays["best"] = {name: array.copy() for name, array in self._best.arrays.items()}
        if self.state is not None and self.state.rows is not None:
            arrays["state"] = {name: array.copy() for name, array in self.state.arrays.items()}
        values = {"epochs": self.config.epochs, "best_epoch": self._best.epoch, "stopped": None}
        return Snapshot(len(self.history), self._step, arrays, values)

    def examples(self, inputs: Any, targets: Any, lengths: Any = None, mask: Any = None) -> Examples:
        """Check examples as ``fit`` does, and return them."""
        return self._reader.examples(inputs, targets, lengths, mask)

    # ------------------------------------------------------------------ before the first epoch
    @property
    def _reader(self) -> DataReader:
        return DataReader(self.runner, self.losses, self.config)

    def _seeds(self) -> list[np.random.SeedSequence]:
        """Independent seeds for the order of the examples and for the choice of the held-out ones."""
        return np.random.SeedSequence(self.config.seed).spawn(2)

    @contextmanager
    def _context(self) -> Iterator[None]:
        """The generator and the threads of a run; without numpy's warnings, because checks find what is not finite."""
        with ExitStack() as stack:
            PROCESS.refresh()
            stack.enter_context(limited(self.config.threads))
            stack.enter_context(random.using(np.random.default_rng(self.config.seed)))
            stack.enter_context(np.errstate(over="ignore", invalid="ignore", divide="ignore"))
            yield

    def _create_weights(self, first: Batch, warm_start: bool) -> None:
        """Create the missing weights, from a separate generator; then, unless warm-started, initialize all weights."""
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
    def _run(self, feed: Feed, validation: Examples | Stream | None, rng: np.random.Generator | None) -> None:
        self.history, self.state, self.stopping = History(), None, False
        best = BestWeights(self.runner, next(iter(self.config.metrics), None))
        self._step, self._best = 0, best
        try:
            self._call("on_start", feed.count)
            self.checkpoints.start(self)
            self._run_epochs(EpochRunner(self.runner, self.config, self.losses, feed, validation, rng), best)
        except KeyboardInterrupt:
            self.history.stopped = "interrupted"
        except SystemExit:  # the process is to end at once: nothing more is written
            self._restore(best, failed=True)
            raise
        except BaseException as error:
            self.history.stopped = "failed"
            self._restore(best, failed=True)
            for failure in self._end():
                error.add_note(f"Then: {failure}")
            raise
        self._restore(best)
        failures = self._end()
        if failures:
            raise failures[0]

    def _restore(self, best: BestWeights, *, failed: bool = False) -> None:
        if best.epoch or failed:
            best.restore()
        self.history.best_epoch = best.epoch

    def _end(self) -> list[GraphnetError]:
        """Call ``on_end`` of every callback, also where those before it failed; returns the failures."""
        failures: list[GraphnetError] = []
        try:
            self.checkpoints.end(self)
        except GraphnetError as error:
            failures.append(error)
        for callback in self.callbacks:
            try:
                with guarded("callback", callback, "on_end"):
                    callback.on_end(self, self.history)
            except GraphnetError as error:
                failures.append(error)
        return failures

    def _call(self, method: str, *arguments: Any) -> None:
        """Call a method of every callback."""
        for callback in self.callbacks:
            with guarded("callback", callback, method):
                getattr(callback, method)(self, *arguments)

    def _run_epochs(self, epochs: EpochRunner, best: BestWeights) -> None:
        for epoch in range(1, self.config.epochs + 1):
            record = epochs.run(epoch, self._on_batch_end)
            record = replace(record, best=best.update(record))
            self.state = epochs.feed.state if record.best else self.state
            self.history.epochs.append(record)
            self.history.best_epoch = best.epoch
            self._call("on_epoch_end", record)
            stopped = self.stopping or self._out_of_patience(epoch, best)
            if stopped:
                self.history.stopped = "callback" if self.stopping else "patience"
            self.checkpoints.after_epoch(self)
            if stopped:
                return

    def _on_batch_end(self, epoch: int, batch: int, loss: float) -> None:
        self._step += 1
        self._call("on_batch_end", epoch, batch, loss)
        self.checkpoints.after_batch(self)

    def _out_of_patience(self, epoch: int, best: BestWeights) -> bool:
        return self.config.patience is not None and epoch - best.epoch >= self.config.patience


def _sized(graph: Graph, batch: Batch) -> Graph:
    """The graph with the same layers, and with its inputs declared to have the sizes of a batch."""
    inputs = dict(graph.inputs)
    for name, array in batch.inputs.items():
        declared = inputs[name].shape
        shape = Shape.of(array.shape, None if declared is None else declared.names)
        inputs[name] = replace(inputs[name], shape=shape)
    return Graph(graph.name, inputs, graph.nodes, graph.outputs)


explain_arguments(Trainer)
explain_methods(Trainer, "fit", "evaluate", "examples")
