"""A table of the epochs of a run, as a CSV file."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphnet.core.checks import flag
from graphnet.core.errors import FileError, GraphnetWarning
from graphnet.models.callbacks.places import in_run, path_text
from graphnet.training.callbacks import Callback, TrainingRun
from graphnet.training.history import EpochRecord, History

#: How each such file begins.
BEGINNING = b"epoch,loss"


@dataclass
class CSVLog(Callback):
    """Write a CSV file with one row for each epoch: the loss, the metrics, and all else that an EpochRecord has.

    The first row names the columns: ``epoch``, ``loss``, the metrics, ``validation_loss`` and the metrics of the
    held-out examples if there are any, ``learning_rate``, ``gradient_norm``, ``seconds``, ``examples``, ``best`` and
    ``skipped_batches``. Numbers are written so that they are read back equal; NaN and infinity are ``nan`` and ``inf``.

    A row is appended after each epoch. When a run is resumed, the file is first replaced by the rows of the epochs
    before the checkpoint: no epoch is missing or there twice, wherever the run was killed. If the file cannot be
    written, there is a warning, training goes on, and the next epoch writes all rows.

    Parameters
    ----------
    path : path
        Relative to the folder of the run, if it has one, else to the working directory. Missing folders are created.
    overwrite : bool
        Whether a new run replaces such a file of another run. Other files are never replaced.

    Raises
    ------
    FileError
        When a run starts, if the file exists.

    Examples
    --------
    >>> CSVLog("log.csv")
    CSVLog(path='log.csv', overwrite=False)
    """

    path: str = "log.csv"
    overwrite: bool = False
    _columns: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)
    _written: bool = field(default=False, init=False, repr=False, compare=False)
    _warned: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.path = path_text("CSVLog", self.path)
        self.overwrite = flag("CSVLog", "overwrite", self.overwrite)

    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Refuse a file that exists."""
        self._columns, self._written, self._warned = _columns(trainer), False, False
        path = in_run(trainer, self.path)
        if path is not None:
            self._check(path, replace=self.overwrite or trainer.resumed)

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Append a row; the first time, write all rows."""
        self._tolerated(trainer, [*trainer.history.epochs] if not self._written else [record])

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Write what is missing: after an error of the disk, or in a resumed run that had ended."""
        if history.epochs and not self._written:
            self._tolerated(trainer, history.epochs)

    def state(self) -> dict[str, Any]:
        """Nothing: the history has all of it."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""

    def _tolerated(self, trainer: TrainingRun, records: Sequence[EpochRecord]) -> None:
        from graphnet.models.callbacks import files

        path = in_run(trainer, self.path)
        assert path is not None
        try:
            if self._written:
                files.append(path, self._rows(records))
            else:
                self._replace(path, self._rows(records, head=True), trainer.resumed)
            self._written = True
        except FileError as error:
            self._written = False
            if not self._warned:
                warnings.warn(f"{error}; training goes on", GraphnetWarning, stacklevel=2)
            self._warned = True

    def _replace(self, path: Path, text: str, resumed: bool) -> None:
        self._check(path, replace=self.overwrite or resumed or self._warned)
        data = text.encode("utf-8")
        if _beginning(path, len(data) + 1) == data:  # the run had ended, and is not changed
            return
        from graphnet.models.callbacks import files

        files.replace(path, data)

    def _rows(self, records: Sequence[EpochRecord], *, head: bool = False) -> str:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if head:
            writer.writerow(self._columns)
        for record in records:
            values = {"skipped_batches": 0, **record.flat()}
            writer.writerow([_cell(values.get(name)) for name in self._columns])
        return text.getvalue()

    @staticmethod
    def _check(path: Path, *, replace: bool) -> None:
        beginning = _beginning(path, len(BEGINNING))
        if beginning is None or (replace and beginning in (BEGINNING, b"")):
            return
        ours = beginning == BEGINNING
        raise FileError(
            "the log of another run exists" if ours else "not a log of a run, which could be replaced",
            where=str(path),
            expected="a new file" if ours or not replace else f"a file that begins with {BEGINNING.decode()!r}",
            remedy="Pass CSVLog(..., overwrite=True), or name another file." if ours else "Name another file.",
        )


def _columns(run: TrainingRun) -> tuple[str, ...]:
    names = [name for name in run.figures if name != "loss"]
    return ("epoch", "loss", *names, "learning_rate", "gradient_norm", "seconds", "examples", "best", "skipped_batches")


def _beginning(path: Path, size: int) -> bytes | None:
    """The first bytes of a file; None if there is none.

    Raises
    ------
    FileError
        If it is not a regular file, or cannot be read.
    """
    if not os.path.lexists(path):
        return None
    try:
        if not os.path.isfile(path):
            raise FileError("not a file", where=str(path), expected="a new file")
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        raise FileError("cannot be read", where=str(path), received=error.strerror) from error


def _cell(value: Any) -> str:
    """A value as text: nothing for None; a float in its shortest exact form."""
    return "" if value is None else repr(float(value)) if isinstance(value, float) else str(value)
