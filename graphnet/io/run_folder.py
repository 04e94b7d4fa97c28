"""Run folders: the files that a training run writes."""

from __future__ import annotations

import json
import math
import os
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError, GraphnetError, GraphnetWarning
from graphnet.core.files.border import described
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

#: The minimum number of seconds between two writes of the weights during a run.
WRITE_INTERVAL = 5.0


class RunFolder(Callback):
    """Writes a run to a folder: the model, the weights of the best epoch, metrics, versions and the learning curve.

    ======================  ===========================================================================
    ``model.yaml``          the graph and the training configuration
    ``weights.safetensors`` the weights of the best epoch; during the run, of the best epoch so far
    ``state.safetensors``   after training on a Stream: the recurrent state at its end, in the best epoch
    ``metrics.jsonl``       one JSON object for each epoch
    ``versions.json``       graphnet, plugins in order, packages, platform, backend, BLAS and its threads
    ``learning_curve.png``  if matplotlib is installed
    ``summary.json``        how the run ended, the backend, the best epoch, and the results on the test set
    ======================  ===========================================================================

    The folder is created when the first epoch starts, so invalid data leave no folder. Nothing is overwritten.

    Parameters
    ----------
    output : path, optional
        The folder, which must be missing or empty. Default: ``runs/NAME-001``, or the next free number.
    runs : path
        The parent of the numbered folders.
    data : str, optional
        Replaces ``training.data`` in the model file: a path relative to the working directory, which is made relative
        to the folder.

    Raises
    ------
    FileError
        If ``output`` is not empty.
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
        self._written = -WRITE_INTERVAL
        self._started = False
        self._backend: str | None = None
        if self.path is not None:
            refuse_used(self.path)

    # ------------------------------------------------------------------ during the run
    def on_start(self, trainer: TrainingRun, batches: int) -> None:
        """Create the folder, and write the model and the versions."""
        if self.path is None:
            self.path = numbered(self.runs, trainer.graph.name)
        else:
            refuse_used(self.path)
            create(self.path)
        config = trainer.config
        if self.data is not None:
            config = config.changed(data=relative(Path(self.data), self.path))
        self._started = True
        self._config = config
        write_model(self.path / MODEL, trainer.graph, config)
        self._write_json(VERSIONS, versions(trainer.config.threads, trainer.runner.backend))

    def on_epoch_end(self, trainer: TrainingRun, record: EpochRecord) -> None:
        """Append the metrics; write better weights unless the last write was a short time ago."""
        with (self._folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(line(record))
        if record.best and time.monotonic() - self._written >= WRITE_INTERVAL:
            self._write_weights(trainer)

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Write the best weights, all metrics and the summary, then the learning curve; also after an error."""
        if not self._started:
            return
        self._backend = trainer.runner.backend
        failures: list[GraphnetError] = []
        for write in (
            lambda: self._write_weights(trainer),
            lambda: atomic.write(self._folder / METRICS, "".join(map(line, history.epochs)).encode()),
            lambda: self.summarize(history, {}),
        ):
            try:
                write()
            except GraphnetError as error:  # the other files may still be written
                failures.append(error)
        self._draw(trainer, history)
        if failures:
            raise failures[0]

    def _draw(self, trainer: TrainingRun, history: History) -> None:
        """Write the learning curve, if it can be drawn: a picture is not worth a run."""
        try:
            image = learning_curve(history, trainer.graph.name)
            if image is not None:
                atomic.write(self._folder / CURVE, image)
        except Exception as error:  # matplotlib, its configuration, a font, the disk
            problem = f"the learning curve was not drawn: {type(error).__name__}: {error}"
            warnings.warn(problem, GraphnetWarning, stacklevel=2)

    def summarize(self, history: History, test: Mapping[str, float]) -> None:
        """Write ``summary.json`` with the results on the test set (empty without a test set)."""
        best = history.best
        self._write_json(
            SUMMARY,
            {
                "stopped": history.stopped,
                "backend": self._backend,
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

    def _write_weights(self, trainer: TrainingRun) -> None:
        graph = trainer.runner.completed()
        if graph is not trainer.graph:  # the weights have determined sizes that the model file left open
            write_model(self._folder / MODEL, graph, self._config)
        save_weights(self._folder / WEIGHTS, trainer.runner)
        if trainer.state is not None and trainer.state.rows is not None:
            save_state(self._folder / STATE, trainer.state)
        self._written = time.monotonic()

    def _write_json(self, name: str, value: Any) -> None:
        atomic.write(self._folder / name, (json.dumps(value, indent=2) + "\n").encode())


def line(record: EpochRecord) -> str:
    """An epoch as a line of JSON; NaN and infinity, which JSON does not have, become null.

    Examples
    --------
    >>> from graphnet.training import EpochRecord
    >>> line(EpochRecord(1, 0.5, validation_loss=float("nan")))[:54]
    '{"epoch": 1, "loss": 0.5, "validation_loss": null, "le'
    """
    return json.dumps(_finite(record.flat()), allow_nan=False) + "\n"


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def refuse_used(path: Path) -> None:
    """Raise a FileError if a path is a file, or a folder that is not empty."""
    try:
        empty, used = os.path.isdir(path) and not any(path.iterdir()), os.path.exists(path)
    except (OSError, ValueError) as error:  # a name that is too long, a null character
        raise _unusable(path, error) from error
    if used and not empty:
        raise FileError(
            "a run is never overwritten",
            where=str(path),
            expected="a folder that is missing or empty",
            received="a folder that is not empty" if os.path.isdir(path) else "a file",
            remedy="Name another folder.",
        )


def numbered(runs: Path, name: str) -> Path:
    """Create ``runs/name-001``, or the folder with the next number after the highest one in use."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-") or "model"
    pattern = re.compile(re.escape(stem) + r"-(\d{3,})\Z")
    used = [int(m[1]) for path in (runs.iterdir() if os.path.isdir(runs) else ()) if (m := pattern.match(path.name))]
    number = max(used, default=0) + 1
    while True:
        try:
            path = runs / f"{stem}-{number:03d}"
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            if not os.path.isdir(runs):
                raise _unusable(runs, NotADirectoryError(20, "a file")) from None
            number += 1  # another run has created it meanwhile
        except OSError as error:
            raise _unusable(path, error) from error


def create(path: Path) -> None:
    """Create a folder and those above it; a FileError if that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> FileError:
    return FileError(
        "the folder cannot be created", where=str(path), received=described(error), remedy="Name another folder."
    )


def relative(path: Path, folder: Path) -> str:
    """A path relative to a folder, so that both can be moved together."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(path.resolve())
