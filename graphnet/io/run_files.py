"""The single files of a run folder, and what is done with them."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.errors import FileError
from graphnet.core.files.border import described
from graphnet.io import filesystem, leftovers
from graphnet.io.checkpoint import BEST, CHECKPOINTS, STATE
from graphnet.io.checkpoint_writer import CheckpointWriter
from graphnet.io.draft import Draft, remove
from graphnet.io.learning_curve import learning_curve
from graphnet.io.state import state_arrays
from graphnet.training.checkpoints import CheckpointedRun
from graphnet.training.history import EpochRecord, History
from graphnet.training.snapshot import Snapshot

__all__ = ["append", "clean", "fill", "keep_best", "learning_curve", "line", "make", "summary", "sync"]

METRICS, CURVE, SUMMARY = "metrics.jsonl", "learning_curve.png", "summary.json"


def fill(draft: Draft, files: Mapping[str, bytes]) -> None:
    """Write files to a folder that has not appeared yet."""
    for file, data in files.items():
        draft.write(file, [data])


def make(folder: Path) -> None:
    """Create a folder."""
    filesystem.uninterrupted(lambda: filesystem.current().mkdir(folder))


def sync(folder: Path) -> None:
    """Sync a folder."""
    filesystem.sync_folder(folder)


def append(path: Path, text: str) -> None:
    """Append text to a file; after an error the file is as it was.

    Raises
    ------
    FileError
        If that is not possible.
    """
    system = filesystem.current()
    try:
        handle = filesystem.uninterrupted(lambda: system.open(path, os.O_WRONLY | os.O_APPEND))
        try:
            size = os.fstat(handle).st_size
            try:
                filesystem.write_all(handle, [text.encode()])
            except OSError:
                with contextlib.suppress(OSError):
                    system.truncate(handle, size)
                raise
        finally:
            filesystem.close(handle)
    except OSError as error:
        raise FileError("cannot be written", where=str(path), received=described(error)) from error


def remove_if_there(path: Path) -> None:
    """Remove a file, and wait until that is on the disk.

    Raises
    ------
    FileError
        If that is not possible.
    """
    try:
        if os.path.lexists(path):
            remove(path)
            filesystem.sync_folder(path.parent)
    except OSError as error:
        raise FileError("cannot be removed", where=str(path), received=described(error)) from error


def clean(run: Path) -> list[Path]:
    """Remove what killed processes have left in a run folder whose lock is held; returns what was removed."""
    removed = []
    for path in left_in(run):
        with contextlib.suppress(OSError):
            remove(path)
            removed.append(path)
    return removed


def left_in(run: Path) -> list[Path]:
    """What has been begun in a run folder and is not in its place: if nobody holds the lock, by a killed process."""
    return [*leftovers.temporaries(run), *leftovers.temporaries(run / CHECKPOINTS)]


def keep_best(writer: CheckpointWriter | None, trainer: CheckpointedRun) -> None:
    """Commit the weights of the best epoch, which the runner has, if no checkpoint has those of that epoch.

    After an error or an interrupt there is no point between two updates from which the run could go on, so this
    checkpoint can be read, not resumed.
    """
    best = trainer.history.best_epoch
    if writer is None or best <= writer.saved_best:
        return
    runner = trainer.runner
    arrays: dict[str, dict[str, Any]] = {BEST: {name: np.array(p.value) for name, p in runner.parameters.items()}}
    arrays[BEST] |= {name: np.array(array) for name, array in runner.buffers.items()}
    if trainer.state is not None and trainer.state.rows is not None:
        arrays[STATE] = state_arrays(trainer.state)
    assert writer.saved is not None
    epoch, step = max(writer.saved, (len(trainer.history), writer.saved[1]))
    writer.store.commit(Snapshot(epoch, step, arrays, {"best_epoch": best}), resumable=False)


def line(record: EpochRecord) -> str:
    """An epoch as a line of JSON; NaN and infinity, which JSON does not have, become null.

    Examples
    --------
    >>> from graphnet.training import EpochRecord
    >>> line(EpochRecord(1, 0.5, validation_loss=float("nan")))[:54]
    '{"epoch": 1, "loss": 0.5, "validation_loss": null, "le'
    """
    return json.dumps(finite(record.flat()), allow_nan=False) + "\n"


def summary(
    history: History, backend: str | None, test: Mapping[str, float], engine: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The contents of ``summary.json``."""
    best = history.best
    return {
        "stopped": history.stopped,
        "backend": backend,
        **({} if engine is None else {"engine": dict(engine)}),
        "epochs": len(history),
        "best_epoch": history.best_epoch,
        **({} if history.figure is None else {"figure": history.figure}),
        "best": None if best is None else finite(best.flat()),
        "seconds": sum(record.seconds for record in history.epochs),
        "test": finite(test),
    }


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for a file of JSON, which has no NaN and no infinity: null in their place."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
