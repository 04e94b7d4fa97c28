"""Training from a model file to a run folder, and evaluation of a run: ``graphnet train`` and ``graphnet evaluate``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ConfigError, GraphnetError
from graphnet.core.run import allocation
from graphnet.data.batches import Batch
from graphnet.data.datasets import Dataset
from graphnet.data.ports import output_ports
from graphnet.io import ModelFile, read_model
from graphnet.io.run_folder import RunFolder
from graphnet.metrics import ConfusionMatrix
from graphnet.models.data_paths import folder_of, is_file
from graphnet.models.data_setting import LEARNED, Setting, moved, path_in, replaced, with_learned
from graphnet.models.dataset_lookup import check_inputs, open_dataset
from graphnet.models.fitted_data import fitted
from graphnet.models.loading import run_model
from graphnet.models.model import Model
from graphnet.models.runs import open_run
from graphnet.models.standardized import standardized
from graphnet.training.callbacks import Callback
from graphnet.training.computation import Engine
from graphnet.training.config import TrainingConfig
from graphnet.training.history import History
from graphnet.training.trainer import Trainer


@dataclass
class TrainingJob:
    """A training run that is ready to start: its files have been read and checked, and nothing has run.

    Attributes
    ----------
    trainer : Trainer
    data : Dataset
    folder : RunFolder
    test : dict of str to float
        Loss and metrics on the test split, after the run.
    failure : GraphnetError or None
        What a callback raised at the end of training.
    over : bool
        Whether there is nothing to do: a resumed run that has ended, and is complete.
    exhausted : bool
        Whether it has ended for want of improvement, so that more epochs would not be trained.
    """

    trainer: Trainer
    data: Dataset
    folder: RunFolder
    test: dict[str, float] = field(default_factory=dict)
    failure: GraphnetError | None = None
    over: bool = False
    exhausted: bool = False

    def run(self) -> History:
        """Train, then evaluate the test split once; all results are written to the folder.

        Raises
        ------
        StateError, RuleError
            As :meth:`Trainer.fit`; the folder then has the weights of the best epoch so far.
        """
        history = self.train()
        self.evaluate()
        return history

    def train(self) -> History:
        """Train; the folder then has everything but the results on the test split.

        A callback that fails at the end of the run is an error of :meth:`evaluate`: the run itself is complete.
        """
        self.folder.awaits_test = True
        held_out = self.data.validation
        validation = None if held_out is None else (held_out.inputs, held_out.targets)
        try:
            return self.trainer.fit(
                self.data.train.inputs, self.data.train.targets, validation_data=validation, verbose=0
            )
        except GraphnetError as error:
            if self.trainer.history.stopped == "failed" or not self.trainer.history.epochs:
                raise
            self.failure = error
            return self.trainer.history

    def evaluate(self) -> None:
        """Evaluate the test split, unless no epoch was completed, and write the results."""
        history, test = self.trainer.history, self.data.test
        try:
            if len(test) and history.best_epoch:
                self.test = self.trainer.evaluate(test.inputs, test.targets)
        finally:
            self.folder.summarize(history, self.test)
        if self.failure is not None:
            raise self.failure

    @property
    def path(self) -> Path:
        """The folder of the run, after training has started."""
        assert self.folder.path is not None
        return self.folder.path


def prepare(
    path: str | os.PathLike[str],
    *,
    data: Setting = None,
    output: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    callbacks: Iterable[Callback] = (),
    max_bytes: int | None = None,
    engine: Engine | None = None,
    **settings: Any,
) -> TrainingJob:
    """Read a model file and its data, and check that they fit each other.

    Parameters
    ----------
    path : path
        The model file.
    data : str or mapping, optional
        Replaces the data that the file names; a path is relative to the working directory. A mapping is added to the
        settings of the file, and without ``path`` reads the file that it names.
    output, runs
        See :class:`~graphnet.io.run_folder.RunFolder`.
    callbacks : iterable of Callback
    max_bytes : int, optional
        The bytes that the weights may need together; None: 128 MiB.
    engine : DataParallel, optional
        Computes each batch with several processes.
    **settings
        Fields of :class:`~graphnet.training.config.TrainingConfig` that replace those of the file, unless None.

    Raises
    ------
    GraphnetError
        With the place in the file or in the data.
    """
    with random.using(np.random.default_rng(0)):  # creating layers must not advance the present generator
        file = read_model(path, allocate=False)
    folder = RunFolder(output, runs=runs)
    return prepare_model(
        file, folder_of(path), data=data, folder=folder, callbacks=callbacks, max_bytes=max_bytes, engine=engine,
        **settings,
    )  # fmt: skip


def prepare_model(
    file: ModelFile,
    base: Path,
    *,
    folder: RunFolder,
    data: Setting = None,
    callbacks: Iterable[Callback] = (),
    max_bytes: int | None = None,
    engine: Engine | None = None,
    **settings: Any,
) -> TrainingJob:
    """As :func:`prepare`, for a model that has been read; the paths in it are relative to ``base``."""
    changes = {name: value for name, value in settings.items() if value is not None}
    config = (file.training or TrainingConfig()).changed(**changes)
    setting, base = _setting(config.data, data, base)
    dataset = open_dataset(setting, base)
    graph = file.graph if dataset.preparation is None else standardized(file.graph, dataset)
    check_inputs(graph, dataset)
    setting = with_learned(setting, dataset)
    config, dataset = fitted(graph, config, dataset)
    name = path_in(setting)
    folder.data = moved(setting, base, str) if name is not None and is_file(name, base) else None
    trainer = Trainer(graph, config.changed(data=setting), callbacks=[folder, *callbacks], engine=engine)
    if len(dataset.train):  # labels of the test split are numbered as those of the training split
        trainer.config = _with_class_names(trainer, dataset)
        trainer.config = trainer.classified(dataset.train.targets)
    for split in (dataset.train, dataset.test):
        if len(split):
            first = trainer.examples(split.inputs, split.targets).batch(slice(0, 1), 1)
            allocation.check(trainer.runner, max_bytes, str(file.path or graph.name), _shapes(graph, first))
    return TrainingJob(trainer, dataset, folder)


def _setting(written: Setting, given: Setting, folder: Path) -> tuple[Setting, Path]:
    """The data of a new run, and the folder to which its path is relative; nothing has been learned yet."""
    if isinstance(written, Mapping):
        written = {name: value for name, value in written.items() if name != LEARNED}
    if given is None:
        return written, folder
    if isinstance(given, str):
        return (replaced(written, given) if _reads_alike(written, given) else given), Path()
    if "path" in given:
        return given, Path()
    return {**({"path": written} if isinstance(written, str) else written or {}), **given}, folder


def _reads_alike(written: Setting, given: str) -> bool:
    """Whether the settings in the model file are for the file that is given in place of its own."""
    return isinstance(written, Mapping) and Path(given).suffix == Path(path_in(written) or "").suffix


def prepare_resumed(
    path: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    allow: Iterable[str] = (),
    data: str | None = None,
    callbacks: Iterable[Callback] = (),
    engine: Engine | None = None,
) -> TrainingJob:
    """Open the folder of a run and its data, to go on from its newest whole checkpoint.

    Parameters
    ----------
    path : path
        The folder of the run.
    epochs : int, optional
        More epochs than it was to have.
    allow : iterable of str
        What may differ; see :meth:`Trainer.resume`.
    data : str, optional
        Where the data are now; their contents must be those of the run.
    callbacks : iterable of Callback
    engine : DataParallel, optional
        Computes each batch with several processes, whatever has computed the run so far.

    Raises
    ------
    GraphnetError
        If the run cannot go on.
    """
    run = open_run(path, data=data)
    trainer = Trainer.resume(run, epochs=epochs, allow=allow, callbacks=callbacks, engine=engine)
    exhausted = run.snapshot.values.get("stopped") == "patience"
    ended = run.snapshot.epoch >= trainer.config.epochs or exhausted
    over = run.complete and ended
    return TrainingJob(trainer, run.dataset(), run.checkpoints, over=over, exhausted=exhausted)


def _with_class_names(trainer: Trainer, dataset: Dataset) -> TrainingConfig:
    """The configuration with the names of the data set's classes, for an output with one score for each of them."""
    ports = output_ports(trainer.runner)
    fitting = [
        name
        for name, loss in trainer.losses.items()
        if loss.task == "classes"
        and ports[name].shape is not None
        and ports[name].shape.sizes[-1] == len(dataset.classes)  # type: ignore[union-attr]
    ]
    if trainer.config.classes is not None or len(fitting) != 1:
        return trainer.config
    return trainer.config.changed(classes={fitting[0]: dataset.classes})


def _shapes(graph: Graph, batch: Batch) -> list[Shape | None]:
    """The shapes of a graph's inputs in a batch."""
    return [
        Shape.of(batch.inputs[name].shape, None if declared.shape is None else declared.shape.names)
        if name in batch.inputs
        else None
        for name, declared in graph.inputs.items()
    ]


def evaluate_run(path: str | os.PathLike[str], *, data: str | None = None) -> dict[str, float]:
    """Loss and metrics of the weights of a run on the test split of its data, or of other data.

    Parameters
    ----------
    path : path
        The folder of the run.
    data : str, optional
        A name, or a path relative to the working directory.

    Raises
    ------
    GraphnetError
        Before anything runs.
    """
    model, dataset = tested(path, data)
    return model.evaluate(dataset.test.inputs, dataset.test.targets)


def confusion_of_run(path: str | os.PathLike[str]) -> ConfusionMatrix:
    """The confusion matrix of the weights of a run on the test split of its data.

    Raises
    ------
    GraphnetError
        Before anything runs; also if the model has no output with a loss of classes.
    """
    model, dataset = tested(path, None)
    return model.confusion_matrix(dataset.test.inputs, dataset.test.targets)


def tested(path: str | os.PathLike[str], data: str | None) -> tuple[Model, Dataset]:
    """The model of a run, and its data or others, which have a test split.

    Raises
    ------
    GraphnetError
        If they cannot be read, or there are no test examples.
    """
    model = run_model(path)
    setting, folder = _stored(model.config.data, data, Path(path))
    dataset = open_dataset(setting, folder)
    check_inputs(model.graph, dataset)
    _, dataset = fitted(model.graph, model.config, dataset)
    if not len(dataset.test):
        raise ConfigError("the data have no test split", where=dataset.name, expected="test examples", received="none")
    return model, dataset


def _stored(written: Setting, given: str | None, folder: Path) -> tuple[Setting, Path]:
    """The data of a run, or others in place of its own, which are read as it has learned to."""
    if given is None:
        return written, folder
    return (replaced(written, given) if _reads_alike(written, given) else given), Path()


def report_lines(results: dict[str, float]) -> list[str]:
    """Loss and metrics on a test split as lines of text: the loss first, the first metric last.

    Examples
    --------
    >>> report_lines({"loss": 0.25, "accuracy": 0.9729, "mean_absolute_error": 2.0})
    ['test loss: 0.250', 'test mean_absolute_error: 2.000', 'test accuracy: 0.973']
    """
    names = ["loss", *reversed([name for name in results if name != "loss"])] if results else []
    return [f"test {name}: {results[name]:.3f}" for name in names]
