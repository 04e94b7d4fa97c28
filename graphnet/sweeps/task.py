"""One run of a trial: what whoever executes it is given, and what it returns. Everything is plain data."""

from __future__ import annotations

import errno
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.core.errors import GraphnetError
from graphnet.io.checkpoint import entries
from graphnet.io.lock import is_locked
from graphnet.io.run_folder import SUMMARY, RunFolder
from graphnet.models.train_file import TrainingJob, prepare_model, prepare_resumed
from graphnet.sweeps.file import SweepFile, Template
from graphnet.training.callbacks import Callback, TrainingRun
from graphnet.training.history import EpochRecord

#: Whether a run goes on after an epoch with this value of the objective.
Decide = Callable[[int, float | None], bool]
#: How a run ends that is not to be resumed.
ENDED = ("finished", "patience", "callback")
#: Seconds for which a run waits for a process that is ending to let go of its folder.
PATIENCE = 20.0
#: Errors of the system that the next trial would have as well: they stop the sweep, which can go on later.
MACHINE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE", "ESTALE")
    if hasattr(errno, name)
}
#: Distinct warnings of a run that are kept.
WARNINGS = 20


@dataclass(frozen=True)
class Task:
    """A run to train.

    Attributes
    ----------
    trial, run : int
        The number of the trial, and that of the run among those of the trial.
    folder : str
        Of the run; where it exists, the run goes on from its last checkpoint.
    sweep, base : dict
        The text, source and folder of the SWEEP.yaml and of the model file.
    values : dict
        The parameters of the trial.
    seed : int or None
    fold : dict or None
    threads : int or None
        Upper bound of the BLAS threads.
    report : str or None
        The figure that is reported after each epoch, for pruning.
    timeout : float or None
        Seconds.
    allow : tuple of str
        What may differ when a run goes on; see ``graphnet train --allow``.
    """

    trial: int
    run: int
    folder: str
    sweep: Mapping[str, str]
    base: Mapping[str, str]
    values: Mapping[str, Any]
    seed: int | None = None
    fold: Mapping[str, int] | None = None
    threads: int | None = None
    report: str | None = None
    timeout: float | None = None
    allow: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Task:
        """A task from its fields as JSON has them."""
        return cls(**{**values, "allow": tuple(values["allow"])})

    def job(self, callbacks: list[Callback]) -> TrainingJob:
        """The training, new or from its last checkpoint.

        Raises
        ------
        GraphnetError
        """
        folder = Path(self.folder)
        if entries(folder):
            return prepare_resumed(folder, allow=self.allow, callbacks=callbacks)
        file = SweepFile.parse(self.sweep["text"], self.sweep["source"], Path(self.sweep["folder"]))
        template = Template(self.base["text"], self.base["source"], Path(self.base["folder"]), self.base["name"])
        model = template.model(file, self.values, self.seed, self.fold)
        written = model.training.threads if model.training is not None else 1
        threads = self.threads if written is None or self.threads is None else min(written, self.threads)
        return prepare_model(model, template.folder, folder=RunFolder(folder), callbacks=callbacks, threads=threads)


class Reporter(Callback):
    """Reports the objective after each epoch, and stops a run that is not to go on; a checkpoint keeps nothing."""

    def __init__(self, figure: str | None, decide: Decide) -> None:
        self.figure, self.decide = figure, decide
        self.begun = False

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """The run may go on: its data and settings are those that it had."""
        self.begun = True

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Report the figure of the epoch."""
        if self.figure is not None and not self.decide(record.epoch, record.flat().get(self.figure)):
            trainer.stopping = True


def execute(task: Task, decide: Decide, stop: Callable[[], bool]) -> dict[str, Any]:
    """Train the run of a task, or what is left of it.

    Parameters
    ----------
    task : Task
    decide : callable
        Is asked after each epoch, if the task reports a figure.
    stop : callable
        Once it returns True, the run ends after a checkpoint from which it can go on.

    Returns
    -------
    dict
        ``status``: ``ended``, with ``summary``; ``stopped``; ``failed`` or ``refused`` (a run that cannot go on, or not
        now, because the disk is full), with ``error``. ``warnings``: what the run warned about.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = _execute(task, decide, stop)
    texts = list(dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, UserWarning)))
    return {**result, "warnings": texts[:WARNINGS]}


def _execute(task: Task, decide: Decide, stop: Callable[[], bool]) -> dict[str, Any]:
    folder = Path(task.folder)
    _await_lock(folder)
    finished = ended(folder)
    if finished is not None:
        return {"status": "ended", "summary": finished}
    going_on, reporter = bool(entries(folder)), Reporter(task.report, decide)
    try:
        job = task.job([reporter])
        job.folder.stop = stop
        history = job.train()
        if history.stopped == "interrupted":
            job.folder.summarize(history, {})
            return {"status": "stopped"}
        job.evaluate()
    except Exception as error:
        refused = _is_of_machine(error) or (going_on and not reporter.begun)
        return {"status": "refused" if refused else "failed", "error": _described(error)}
    summary = ended(folder)
    return {"status": "failed", "error": "the run has no results"} if summary is None else {
        "status": "ended", "summary": summary
    }  # fmt: skip


def ended(folder: Path) -> dict[str, Any] | None:
    """The results of a run that has ended as it should; None of any other."""
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return summary if isinstance(summary, dict) and summary.get("stopped") in ENDED else None


def _await_lock(folder: Path) -> None:
    """Wait for the process of a sweep that was killed: it ends at once when it notices."""
    end = time.monotonic() + PATIENCE
    while is_locked(folder) and time.monotonic() < end:
        time.sleep(0.05)


def _is_of_machine(error: BaseException | None) -> bool:
    """Whether an error says something about the machine, such as a full disk, and nothing about the trial."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in MACHINE:
            return True
        error = error.__cause__ or error.__context__
    return False


def _described(error: BaseException) -> str:
    if isinstance(error, GraphnetError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"{type(error).__name__}: {error}"
