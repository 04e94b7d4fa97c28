"""From a model file to a run folder, and back: what ``graphnet train`` and ``graphnet evaluate`` do."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.errors import ConfigError, FileError
from graphnet.data.datasets import Dataset
from graphnet.io import read_model
from graphnet.io.run_folder import RunFolder
from graphnet.models.dataset_lookup import check_inputs, is_file, open_data
from graphnet.models.model import Model, load
from graphnet.training.callbacks import Callback
from graphnet.training.config import TrainingConfig
from graphnet.training.history import History
from graphnet.training.trainer import Trainer


@dataclass
class Session:
    """A training run that is ready to begin: everything has been read and checked, nothing has run.

    Attributes
    ----------
    trainer : Trainer
    data : Dataset
    folder : RunFolder
    test : dict of str to float
        The figures on the test split, once the run has ended.
    """

    trainer: Trainer
    data: Dataset
    folder: RunFolder
    test: dict[str, float] = field(default_factory=dict)

    def run(self) -> History:
        """Train, then measure the test split once; everything is in the folder then.

        Raises
        ------
        StateError, RuleError
            As :meth:`Trainer.fit`; the folder has the best weights so far.
        """
        train = self.data.train
        history = self.trainer.fit(train.inputs, train.targets)
        if len(self.data.test):
            self.test = self.trainer.evaluate(self.data.test.inputs, self.data.test.targets)
        self.folder.summarize(history, self.test)
        return history

    @property
    def path(self) -> Path:
        """The run's folder, once training has begun."""
        assert self.folder.path is not None
        return self.folder.path


def prepare(
    path: str | os.PathLike[str],
    *,
    data: str | None = None,
    output: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    callbacks: Iterable[Callback] = (),
    **settings: Any,
) -> Session:
    """Read a model file and its data, and check that they belong together.

    Parameters
    ----------
    path : path
        The model file.
    data : str, optional
        Instead of what the file names; a path is relative to the working directory.
    output, runs
        See :class:`~graphnet.io.run_folder.RunFolder`.
    callbacks : iterable of Callback
    **settings
        Fields of :class:`~graphnet.training.config.TrainingConfig` instead of those of the file, unless None.

    Raises
    ------
    GraphnetError
        With the place in the file or in the data.
    """
    with random.using(np.random.default_rng(0)):  # making layers draws weights, which must not count
        file = read_model(path)
    given = {name: value for name, value in settings.items() if value is not None}
    config = (file.training or TrainingConfig()).changed(**given)
    where = Path(path).parent if data is None else Path()
    named = config.data if data is None else data
    found = open_data(named, where)
    check_inputs(file.graph, found)
    folder = RunFolder(output, runs=runs, data=where / named if named is not None and is_file(named) else None)
    trainer = Trainer(file.graph, config.changed(data=named), callbacks=[folder, *callbacks])
    for part in (found.train, found.test):
        if len(part):
            trainer.examples(part.inputs, part.targets)
    return Session(trainer, found, folder)


def evaluate_run(path: str | os.PathLike[str], *, data: str | None = None) -> dict[str, float]:
    """Loss and metrics of a run's weights on the test split of its data, or of other data.

    Parameters
    ----------
    path : path
        The run's folder.
    data : str, optional
        A name, or a path relative to the working directory.

    Raises
    ------
    GraphnetError
        Before anything runs.
    """
    if not Path(path).is_dir():
        raise FileError(
            "not the folder of a run", where=str(path), expected="a folder that graphnet train or Model.save wrote"
        )
    model: Model = load(path)
    found = open_data(model.config.data, path) if data is None else open_data(data)
    check_inputs(model.graph, found)
    if not len(found.test):
        raise ConfigError("the data have no test split", where=found.name, expected="test examples", received="none")
    return model.evaluate(found.test.inputs, found.test.targets)


def told(figures: dict[str, float]) -> list[str]:
    """The figures on a test set as lines: first the loss, last the first metric.

    Examples
    --------
    >>> told({"loss": 0.25, "accuracy": 0.9729, "mean_absolute_error": 2.0})
    ['test loss: 0.250', 'test mean_absolute_error: 2.000', 'test accuracy: 0.973']
    """
    names = ["loss", *reversed([name for name in figures if name != "loss"])] if figures else []
    return [f"test {name}: {figures[name]:.3f}" for name in names]
