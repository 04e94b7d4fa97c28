"""The folder that a training run leaves behind."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError
from graphnet.io import atomic
from graphnet.io.learning_curve import learning_curve
from graphnet.io.state import save_state
from graphnet.io.versions import versions
from graphnet.io.weights import save_weights
from graphnet.io.writing import write_model
from graphnet.training.callbacks.base import Callback, TrainingRun
from graphnet.training.history import EpochRecord, History

MODEL, WEIGHTS, METRICS = "model.yaml", "weights.safetensors", "metrics.jsonl"
VERSIONS, CURVE, SUMMARY = "versions.json", "learning_curve.png", "summary.json"
STATE = "state.safetensors"

#: Seconds between two times that better weights are written while a run goes on.
PAUSE = 5.0


class RunFolder(Callback):
    """Writes a run to a folder: the model, the weights of the best epoch, figures of every epoch, versions, a picture.

    ======================  ===========================================================================
    ``model.yaml``          the graph, and the configuration that it was trained with
    ``weights.safetensors`` of the best epoch; while the run goes on, of the best so far
    ``state.safetensors``   after training on a Stream: where the recurrent parts stood at its end, in the best epoch
    ``metrics.jsonl``       a JSON object for each epoch
    ``versions.json``       graphnet, plugins in their order, packages, platform, BLAS and its threads
    ``learning_curve.png``  where matplotlib is installed
    ``summary.json``        how the run ended, the best epoch, and the figures on the test set
    ======================  ===========================================================================

    The folder is made when the first epoch begins, so that bad data leave none behind. Nothing is overwritten.

    Parameters
    ----------
    output : path, optional
        The folder, which does not exist yet or is empty. Without it ``runs/NAME-001``, or the next free number.
    runs : path
        Where numbered folders go.
    data : str, optional
        What to write as ``training.data`` into the model file instead of what the configuration says: a path that is
        relative to the working directory, and becomes relative to the folder.

    Raises
    ------
    FileError
        If ``output`` is in use.
    """

    def __init__(
        self,
        output: str | os.PathLike[str] | None = None,
        *,
        runs: str | os.PathLike[str] = "runs",
        data: str | os.PathLike[str] | None = None,
    ) -> None:
        self.path: Path | None = None if output is None else Path(output)
        self.runs = Path(runs)
        self.data = data
        self._written = -PAUSE
        self._begun = False
        if self.path is not None:
            refuse_used(self.path)

    # ------------------------------------------------------------------ while the run goes on
    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Make the folder; write what is known before the first epoch."""
        if self.path is None:
            self.path = numbered(self.runs, trainer.graph.name)
        else:
            refuse_used(self.path)
            _make(self.path)
        config = trainer.config
        if self.data is not None:
            config = config.changed(data=_relative(Path(self.data), self.path))
        self._begun = True
        self._config = config
        write_model(self.path / MODEL, trainer.graph, config)
        self._json(VERSIONS, versions(trainer.config.threads))

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Add a line; now and then, write better weights."""
        with (self._folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(line(record))
        if record.best and time.monotonic() - self._written >= PAUSE:
            self._weights(trainer)

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Write the best weights, and everything else that is there, also after an error."""
        if not self._begun:
            return
        self._weights(trainer)
        atomic.write(self._folder / METRICS, "".join(map(line, history.epochs)).encode())
        picture = learning_curve(history, trainer.graph.name)
        if picture is not None:
            atomic.write(self._folder / CURVE, picture)
        self.summarize(history, {})

    def summarize(self, history: History, test: Mapping[str, float]) -> None:
        """Write ``summary.json``, with the figures on the test set (none where there is no such set)."""
        best = history.best
        self._json(
            SUMMARY,
            {
                "stopped": history.stopped,
                "epochs": len(history),
                "best_epoch": history.best_epoch,
                "best": None if best is None else _finite(best.flat()),
                "seconds": sum(record.seconds for record in history.epochs),
                "test": _finite(test),
            },
        )

    # ------------------------------------------------------------------ inside
    @property
    def _folder(self) -> Path:
        assert self.path is not None  # on_start has set it
        return self.path

    def _weights(self, trainer: TrainingRun) -> None:
        graph = trainer.runner.completed()
        if graph is not trainer.graph:  # sizes that the file left open, and that the weights now have
            write_model(self._folder / MODEL, graph, self._config)
        save_weights(self._folder / WEIGHTS, trainer.runner)
        if trainer.state is not None and trainer.state.rows is not None:
            save_state(self._folder / STATE, trainer.state)
        self._written = time.monotonic()

    def _json(self, name: str, value: Any) -> None:
        atomic.write(self._folder / name, (json.dumps(value, indent=2) + "\n").encode())


def line(record: EpochRecord) -> str:
    """An epoch as a line of JSON, which knows no NaN and no infinity: those become null.

    Examples
    --------
    >>> from graphnet.training import EpochRecord
    >>> line(EpochRecord(1, 0.5, validation_loss=float("nan")))[:54]
    '{"epoch": 1, "loss": 0.5, "validation_loss": null, "le'
    """
    return json.dumps(_finite(record.flat()), allow_nan=False) + "\n"


def _finite(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}


def refuse_used(path: Path) -> None:
    """Refuse a folder that holds something, or a path that is no folder.

    Raises
    ------
    FileError
    """
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise FileError(
            "a run is never overwritten",
            where=str(path),
            expected="a folder that does not exist yet, or is empty",
            received="a folder with something in it" if path.is_dir() else "a file",
            remedy="Name another folder.",
        )


def numbered(runs: Path, name: str) -> Path:
    """Make ``runs/name-001``, or the folder with the first number after the last one in use."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-") or "model"
    pattern = re.compile(re.escape(stem) + r"-(\d{3,})\Z")
    used = [int(m[1]) for path in (runs.iterdir() if runs.is_dir() else ()) if (m := pattern.match(path.name))]
    number = max(used, default=0) + 1
    while True:
        try:
            path = runs / f"{stem}-{number:03d}"
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if not runs.is_dir():
                raise _unusable(runs, "a file") from None
            number += 1  # another run was quicker
        except OSError as error:
            raise _unusable(path, error) from error


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, received: object) -> FileError:
    return FileError("the folder cannot be made", where=str(path), received=received, remedy="Name another folder.")


def _relative(path: Path, folder: Path) -> str:
    """A path as seen from a folder, so that both can move together."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(path.resolve())
