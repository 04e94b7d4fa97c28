"""The models of the best epochs, as folders that can be loaded while training goes on."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphnet.core.checks import integer
from graphnet.core.errors import FileError, GraphnetWarning
from graphnet.models.callbacks.places import in_run, path_text
from graphnet.training.callbacks import Callback, TrainingRun
from graphnet.training.history import EpochRecord, History
from graphnet.training.monitor import Monitor, checked_mode, checked_name

_FOLDER = re.compile(r"epoch-\d{4,}\Z")


@dataclass
class BestCheckpoints(Callback):
    """Save the models of the ``keep`` best epochs so far, each in a folder that ``graphnet.load`` reads.

    The folders are ``PATH/epoch-0007`` and so on. One appears after its epoch, at once with everything in it; then the
    one that is no longer among the best is removed. Of equal epochs the earlier one is better; an epoch whose figure is
    not finite is not saved. (The run itself keeps the weights of its one best epoch anyway, in each checkpoint and at
    its end.) If a folder cannot be written, there is a warning, and training goes on.

    Parameters
    ----------
    path : path
        Relative to the folder of the run, if it has one, else to the working directory. Must be missing or empty.
    keep : int, at least 1
    monitor : str, optional
        As in :class:`~graphnet.callbacks.EarlyStopping`; None: the figure that selects the best epoch.
    mode : {'min', 'max'}, optional
        Which values are better; None: as the metric says, and 'min' for a loss.

    Raises
    ------
    ConfigError
        If an argument is out of range; when a run starts, if it has no such figure.
    FileError
        When a run starts, if the folder is not empty.
    PluginError, GraphError
        When a run starts, if a file cannot represent the model.

    Notes
    -----
    After a kill, the run goes on from its last checkpoint, and the epochs since then are run and saved again: at its
    end the folders are those of a run that was never killed.

    Examples
    --------
    >>> BestCheckpoints("best", keep=3, monitor="validation_loss")
    BestCheckpoints(path='best', keep=3, monitor='validation_loss', mode=None)
    """

    path: str = "best"
    keep: int = 1
    monitor: str | None = None
    mode: str | None = None
    _monitor: Monitor | None = field(default=None, init=False, repr=False, compare=False)
    _folder: Path = field(default=Path(), init=False, repr=False, compare=False)
    _kept: list[tuple[float, int]] = field(default_factory=list, init=False, repr=False, compare=False)
    _warned: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = "BestCheckpoints"
        self.path = path_text(where, self.path)
        self.keep = integer(where, "keep", self.keep, 1)
        self.monitor = checked_name(where, self.monitor)
        self.mode = checked_mode(where, self.mode)

    @property
    def paths(self) -> list[Path]:
        """The folders of the best epochs of the last run, the best one first."""
        return [self._of(epoch) for _, epoch in self._kept]

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Find the figure; refuse a folder that is not empty, and a model that cannot be saved."""
        self._monitor = Monitor("BestCheckpoints", trainer, self.monitor, self.mode)
        from graphnet.models.callbacks import files

        folder = in_run(trainer, self.path)
        self._folder, self._kept, self._warned = folder or Path(), [], False
        files.model_text(trainer.graph, trainer.config)
        if folder is not None and not trainer.resumed and files.contents(folder):
            raise FileError(
                "the models of another run are here",
                where=str(self._folder),
                expected="a folder that is missing or empty",
                remedy="Name another folder, or remove this one.",
            )

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Save the model, if the epoch is one of the best; then remove the one that no longer is."""
        from graphnet.models.callbacks import files

        assert self._monitor is not None
        value = self._monitor.value(record)
        best = sorted([*self._kept, (value, record.epoch)])[: self.keep]
        if not math.isfinite(value) or best == self._kept:
            return
        self._folder = in_run(trainer, self.path) or self._folder
        try:
            self._save(trainer, record)
        except FileError as error:
            if not self._warned:
                warnings.warn(f"{error}; training goes on", GraphnetWarning, stacklevel=2)
            self._warned = True
            return
        dropped, self._kept = set(self._kept) - set(best), best
        for _, epoch in dropped:
            files.discard(self._of(epoch))

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Remove what killed processes have left."""
        from graphnet.models.callbacks import files

        kept = {path.name for path in self.paths}
        if kept:
            found = files.contents(self._folder)
            files.clear(self._folder, [name for name in found if _FOLDER.match(name) and name not in kept])

    def state(self) -> dict[str, Any]:
        """The saved epochs, with the values of the figure."""
        return {"kept": [list(pair) for pair in self._kept]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state`."""
        self._kept = [(value, epoch) for value, epoch in state["kept"]]

    def _of(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:04d}"

    def _save(self, trainer: TrainingRun, record: EpochRecord) -> None:
        from graphnet.models.callbacks import files

        assert self._monitor is not None
        history = History([*trainer.history.epochs], record.epoch, "unfinished", self._monitor.name)
        files.save(trainer, self._of(record.epoch), history)
