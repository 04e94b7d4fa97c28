"""The Trainer: epochs over batches, validation, callbacks, and the weights of the best epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Self

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
from graphnet.core.errors import StateError
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Examples
from graphnet.data.datasets.stream import Stream
from graphnet.data.weighting import Weighting
from graphnet.training import checks, evaluation
from graphnet.training.best_weights import BestWeights
from graphnet.training.callbacks import Callback, EarlyStopping
from graphnet.training.checkpoints import Checkpoints
from graphnet.training.computation import Engine, require_engine
from graphnet.training.config import SETTINGS, TrainingConfig, require_config
from graphnet.training.data_hash import data_hashes
from graphnet.training.epoch import EpochRunner
from graphnet.training.feeds import make_feed
from graphnet.training.fingerprint import fingerprint
from graphnet.training.fit_data import DataReader
from graphnet.training.history import History
from graphnet.training.names import named
from graphnet.training.object_writer import ObjectWriter
from graphnet.training.progress import checked_verbose, progress_of_fit
from graphnet.training.resumption import Resumption
from graphnet.training.run_loop import RunLoop
from graphnet.training.run_objects import RunObjects
from graphnet.training.run_state import RunState
from graphnet.training.run_view import RunView
from graphnet.training.snapshot import Snapshot
from graphnet.training.starting_weights import create_weights
from graphnet.training.totals import losses_by_output
from graphnet.training.unsavable import warn_if_unsavable


class Trainer(RunView, ExplainedAttributes):
    """Trains a graph; afterwards its layers have the weights of the best epoch.

    The same seed gives the same run, equal to the bit on one machine, independent of random numbers drawn before or in
    other threads: weights, dropout, the order of the examples and the choice of the held-out ones depend only on
    ``config.seed``. (If ``config.threads`` is not 1, the rounding of large products depends on the number of BLAS
    threads.)

    Parameters
    ----------
    graph : Graph
    config : TrainingConfig, optional
    callbacks : iterable of Callback or str
        A name stands for a callback with default settings: ``'early_stopping'``.
    checkpoints : Checkpoints, optional
        Receives the checkpoints of a run. None: the first of the callbacks that is a Checkpoints, if there is one.
    engine : DataParallel, optional
        Computes each batch with several processes; see :mod:`graphnet.distributed`. None: this process computes all.

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
        If the losses do not match the outputs of the graph, or the engine is not one.

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

    #: Whether the trained model is of use; if not, no warning says that it cannot be saved.
    kept: ClassVar[bool] = True
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
        engine: Engine | None = None,
    ) -> None:
        self.graph = require_graph(graph, "Trainer")
        self.config = require_config(config, "Trainer")
        self.callbacks = (*self.config.callbacks, *_given(callbacks))
        found = (callback for callback in self.callbacks if isinstance(callback, Checkpoints))
        self.checkpoints: Checkpoints | None = next(found, None) if checkpoints is None else checkpoints
        self.engine = require_engine(engine)
        self.runner = Runner(graph, backend=self.config.backend)
        self._running: RunState | None = None
        self._resumption: Resumption | None = None
        self.losses = losses_by_output(graph, self.config)
        self.history = History()
        self.state: State | None = None
        self.stopping = False

    def fit(
        self,
        inputs: Any = None,
        targets: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        validation_data: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        target_mask: Any = None,
        warm_start: bool = False,
        verbose: int | bool | str | None = None,
    ) -> History:
        """Train on these examples, and restore the weights of the best epoch.

        Parameters
        ----------
        inputs : array, list of sequences, mapping of input name to either, or Stream
            As in :func:`graphnet.data.examples.examples`; a :class:`~graphnet.data.datasets.Stream` has its own
            targets, and requires ``config.tbptt``.
        targets, lengths, mask
            As in :func:`graphnet.data.examples.examples`.
        validation_data : (inputs, targets), (inputs, targets, sample_weight), mapping or Stream, optional
            Examples that select the best epoch; None: the share ``config.validation`` of the examples is held out. A
            mapping has ``inputs`` and ``targets``, and may have ``lengths``, ``mask``, ``sample_weight`` and
            ``target_mask``. A third part of integers, one for each sequence of a padded array, is ``lengths``.
        sample_weight : array, list of sequences, or mapping of output name to either, optional
            How much each target counts in the loss: one number of at least 0 for each example, or for an output over
            time one for each step, in the form of the targets. The mean is divided by the sum of the weights of a
            batch. They also count in the loss of a held-out share, and not in metrics.
        class_weight : mapping of class to float, sequence of float, 'balanced', or mapping of output name to these
            How much the targets of each class count in training, times ``sample_weight``; classes that a mapping does
            not have count 1. ``'balanced'``: all classes count the same together, as in scikit-learn. Held-out examples
            are not weighted by it; ``CrossEntropy(class_weight=...)`` has weights that are part of the loss.
        target_mask : boolean array, list of sequences, or mapping of output name to either, optional
            Which targets count, in the loss and in the metrics: in the forms of ``sample_weight``, or of the target's
            shape where the loss is one of elements. The others may hold anything.
        warm_start : bool
            Whether training continues from the present weights; otherwise they are drawn again.
        verbose : {None, 'auto', 0, 1, 2} or bool
            What is shown on standard output. None or 'auto': a bar on a terminal and in a notebook, unless another one
            is there already, and nothing elsewhere. 0 or False: nothing. 1 or True: the bar, or elsewhere a line for
            each epoch. 2: a line for each epoch.

        Returns
        -------
        History
            Ctrl-C stops the run early and is not an error: ``history.stopped`` is then ``'interrupted'``.

        Warns
        -----
        UnsavableWarning
            Before training, if a layer, a loss or another object cannot be written to a file.

        Raises
        ------
        ShapeError, DtypeError, DataError
            Before anything changes.
        NonFiniteError
            If the loss, a gradient, a new weight, or the state of an optimizer is not finite, unless ``config.on_nan``
            is 'skip'; it names epoch, batch, and the first node, step and row in which that arose, and the weights of
            the best epoch so far are restored.
        StateError
            If another thread is using the weights, before anything changes.
        ConfigError
            If a shared layer has several deltas, or ``drop_last`` leaves no batch; before anything changes.
        RuleError
            If a layer, an optimizer or a metric returns an invalid value, or a callback, a metric or a loss raises an
            exception: the message names it. If a callback fails in ``on_end``, the others are called first, and the run
            is complete.
        """
        warm_start, verbose = flag("fit", "warm_start", warm_start), checked_verbose(verbose)
        resuming = self._resumption is not None
        if self._resumption is not None and inputs is None:
            inputs, targets, validation_data = self._resumption.data()
        with Claim(WRITE, self.runner.keys | {id(self)}, "fit", self.graph):
            order_seed, split_seed = self._seeds()
            reader = self._reader if isinstance(inputs, Stream) else self._reader.with_classes(targets)
            data, validation = reader.training_and_validation(
                inputs,
                targets,
                lengths,
                mask,
                validation_data,
                np.random.default_rng(split_seed),
                Weighting(sample_weight, target_mask),
                class_weight,
            )
            self.config = reader.config
            feed = make_feed(self.runner, data, self.config, self.losses)
            deltas.effective(deltas.chains(self.graph))  # checked before weights are drawn
            if self.kept:
                warn_if_unsavable(self.graph, self.config)
            objects, known = RunObjects(self.graph, self.config, self.callbacks), {}
            if self.checkpoints is not None or resuming:
                known = self._known(objects, data, validation)
            with self._context():
                create_weights(self.runner, self.config, self._reader.first_batch(data), warm_start or resuming)
                rng = np.random.default_rng(order_seed) if self.config.shuffle else None
                epochs = EpochRunner(self.runner, self.config, self.losses, feed, validation, rng)
                self.history, self.state, self.stopping = History(), None, False
                selecting = (c.score for c in self.callbacks if isinstance(c, EarlyStopping) and c.selects)
                best = BestWeights(self.runner, next(iter(self.config.metrics), None), next(selecting, None))
                self._running = RunState(self, epochs, best, objects, known)
                resumption, self._resumption = self._resumption, None
                try:
                    with self._computing(epochs):
                        RunLoop(self, self._running, progress_of_fit(verbose)).run(resumption)
                finally:
                    self._running = None
            return self.history

    @classmethod
    def resume(
        cls,
        run: Any,
        *,
        epochs: int | None = None,
        allow: Iterable[str] = (),
        callbacks: Iterable[Callback] = (),
        engine: Engine | None = None,
    ) -> Self:
        """A Trainer whose ``fit``, with the data of the run, goes on from its last checkpoint, equal to the bit.

        Parameters
        ----------
        run : path or StoredRun
            The folder of a run.
        epochs : int, optional
            More epochs than the run was to have; None: as many.
        allow : iterable of str
            What may differ: of ``model``, ``settings``, ``data``, ``seed``, ``dtype``, ``backend``, ``versions``,
            ``callbacks`` and ``schedule``. With ``schedule``, a learning rate that was to fall over all epochs falls
            over as many as before when ``epochs`` is raised.
        callbacks : iterable of Callback
            Those that were passed to the Trainer; their state is restored.
        engine : DataParallel, optional
            As for the Trainer. It may differ from that of the run; the result then differs by the order of sums.

        Raises
        ------
        FileError
            If the folder has no checkpoint.
        ConfigError
            If ``epochs`` is less than before; UnknownNameError for an unknown name in ``allow``.
        StateError
            If the run cannot be continued as it was; the message names what differs. Differences in the data, and
            callbacks that are missing, are found by ``fit``.

        Warns
        -----
        GraphnetWarning
            By ``fit``, if the run is over: nothing is trained. Pass more epochs.
        """
        resumption = Resumption.of(run, epochs, allow)
        stored = resumption.stored
        own: list[Any] = [stored.checkpoints] if isinstance(stored.checkpoints, Callback) else []
        trainer = cls(
            stored.graph,
            resumption.config,
            callbacks=[*own, *stored.callbacks, *_given(callbacks)],
            checkpoints=stored.checkpoints,
            engine=engine,
        )
        resumption.check(fingerprint(trainer.graph, trainer.config, trainer.runner.backend))
        trainer._resumption = resumption
        return trainer

    def evaluate(
        self,
        inputs: Any,
        targets: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        sample_weight: Any = None,
        target_mask: Any = None,
    ) -> dict[str, float]:
        """Loss and metrics in the test phase; see :func:`graphnet.training.evaluation.evaluate`."""
        return evaluation.evaluate(
            self.runner,
            self.config,
            inputs,
            targets,
            lengths=lengths,
            mask=mask,
            sample_weight=sample_weight,
            target_mask=target_mask,
        )

    def snapshot(self) -> Snapshot:
        """A copy of everything that decides the future of the run; while it goes on, between two updates.

        Called by :class:`~graphnet.training.checkpoints.Checkpoints` after all callbacks; in a callback, those after
        it have not seen the last update yet.

        Raises
        ------
        StateError
            If ``fit`` is not running.
        ConfigError
            If an object of the run has an attribute that cannot be kept; the message says which, and the remedy.
        """
        if self._running is None or self._running.ended:
            remedy = "Pass checkpoints=..., whose methods are called during fit."
            raise StateError(
                "no run is going on", where="Trainer.snapshot", expected="a call during fit", remedy=remedy
            )
        return self._running.snapshot()

    def classified(self, targets: Any) -> TrainingConfig:
        """The configuration with the classes that text and booleans among some targets name, as ``fit`` sets it.

        Raises
        ------
        DataError, ShapeError
            If a label is missing, or an output does not have as many scores as there are classes.
        """
        return self._reader.with_classes(targets).config

    @property
    def complete(self) -> bool:
        """Whether the run that is going on has nothing more to train, and only its end is to come."""
        return self._running is not None and self._running.stopped is not None

    def examples(self, inputs: Any, targets: Any, lengths: Any = None, mask: Any = None) -> Examples:
        """Check examples as ``fit`` does, and return them."""
        return self._reader.with_classes(targets).examples(inputs, targets, lengths, mask)

    # ------------------------------------------------------------------ before the first epoch
    def _known(
        self, objects: RunObjects, data: Examples | Stream, validation: Examples | Stream | None
    ) -> dict[str, Any]:
        """The fingerprint of this run, after checks that it can be kept and, on resuming, that it may be continued."""
        objects.written(ObjectWriter(calling=False))
        known = fingerprint(self.graph, self.config, self.runner.backend)
        known["data"] = data_hashes(data, validation)
        if self._resumption is not None:
            self._resumption.check(known, objects)
        return known

    @property
    def _reader(self) -> DataReader:
        return DataReader(self.runner, self.losses, self.config)

    def _seeds(self) -> list[np.random.SeedSequence]:
        """Independent seeds for the order of the examples and for the choice of the held-out ones."""
        return np.random.SeedSequence(self.config.seed).spawn(2)

    @contextmanager
    def _computing(self, epochs: EpochRunner) -> Iterator[None]:
        """Inside the block, the engine computes the batches."""
        if self.engine is None:
            yield
            return
        with self.engine.start(self, epochs) as computation:
            epochs.computation = computation
            yield

    @contextmanager
    def _context(self) -> Iterator[None]:
        """The generator and the threads of a run; without numpy's warnings, because checks find what is not finite."""
        with ExitStack() as stack:
            PROCESS.refresh()
            stack.enter_context(limited(self.config.threads))
            stack.enter_context(random.using(np.random.default_rng(self.config.seed)))
            stack.enter_context(np.errstate(over="ignore", invalid="ignore", divide="ignore"))
            yield


def _given(callbacks: Any) -> tuple[Callback, ...]:
    """Callbacks, alone or several, and those that names stand for."""
    alone = isinstance(callbacks, (Callback, str)) or not isinstance(callbacks, Iterable)
    return checks.callbacks(named("callbacks", "callbacks", callbacks if alone else [*callbacks]))


explain_arguments(Trainer)
explain_methods(Trainer, "fit", hints=SETTINGS)
explain_methods(Trainer, "evaluate", "examples")
