"""Runs that can go on: the folder of a run, opened."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core import checks, random
from graphnet.core.arguments import explained
from graphnet.core.describe.graph import Graph
from graphnet.core.run import allocation
from graphnet.core.run.runner import Runner
from graphnet.data.datasets import Dataset
from graphnet.io import read_model
from graphnet.io.checkpoint import entries
from graphnet.io.checkpoint_store import load_checkpoint, no_checkpoint
from graphnet.io.lock import busy, is_locked
from graphnet.io.run_folder import MODEL, SUMMARY, RunFolder
from graphnet.io.sweep_files import refuse_sweep
from graphnet.models.data_setting import replaced
from graphnet.models.dataset_lookup import check_inputs, open_dataset
from graphnet.models.fitted_data import fitted
from graphnet.training.callbacks import Callback
from graphnet.training.config import TrainingConfig
from graphnet.training.snapshot import Snapshot


@dataclass
class OpenedRun:
    """A run at its newest whole checkpoint; see ``Trainer.resume``. Its folder is locked when training starts.

    Attributes
    ----------
    path : Path
    graph : Graph
    config : TrainingConfig
    snapshot : Snapshot
    checkpoints : RunFolder
    callbacks : tuple of Callback
        None beyond those of the configuration.
    complete : bool
        Whether the run has ended, and all its files are written.
    """

    path: Path
    graph: Graph
    config: TrainingConfig
    snapshot: Snapshot
    checkpoints: RunFolder
    callbacks: tuple[Callback, ...] = ()
    complete: bool = False
    source: str | None = None
    _dataset: list[Dataset] = field(default_factory=list)

    def dataset(self) -> Dataset:
        """The data that the configuration names, or ``source`` in their place.

        Raises
        ------
        GraphnetError
            If they cannot be read, or there are none.
        """
        if not self._dataset:
            if self.source is None:
                data = open_dataset(self.config.data, self.path)
            else:
                data = open_dataset(replaced(self.config.data, self.source))
            check_inputs(self.graph, data)
            _, data = fitted(self.graph, self.config, data)
            self._dataset.append(data)
        return self._dataset[0]

    def data(self) -> tuple[Any, Any, Any]:
        """The inputs and targets for training, and those that select the best epoch; None: the data have none."""
        train, held_out = self.dataset().train, self.dataset().validation
        return train.inputs, train.targets, None if held_out is None else (held_out.inputs, held_out.targets)


@explained
def open_run(path: str | os.PathLike[str], *, data: str | None = None) -> OpenedRun:
    """Open the folder of a run to go on with it; nothing is changed before training starts.

    Parameters
    ----------
    path : path
        The folder.
    data : str, optional
        Replaces the data that the run names; a path is relative to the working directory.

    Raises
    ------
    FileError
        If it is not the folder of a run, another process is writing to it, or no checkpoint is whole.
    GraphnetError
        If a file cannot be read.
    """
    folder = checks.path("open_run", path)
    if not (folder / "checkpoints").is_dir():
        refuse_sweep(folder)
        raise no_checkpoint(folder)
    if is_locked(folder):
        raise busy(folder)
    found = entries(folder)
    checkpoint = load_checkpoint(folder)
    with random.using(np.random.default_rng(0)):  # creating layers must not advance the present generator
        file = read_model(folder / MODEL, allocate=False)
        size = sum(len(content) for content in checkpoint.files.values())
        allocation.check(Runner(file.graph), max(allocation.MAX_BYTES, 2 * size), str(folder))
    snapshot = checkpoint.snapshot()
    complete = snapshot.values.get("stopped") is not None and (folder / SUMMARY).is_file()
    target = RunFolder.resumed(folder, snapshot, found)
    config = file.training or TrainingConfig()
    return OpenedRun(folder, file.graph, config, snapshot, target, complete=complete, source=data)
