"""The runs in a folder, and what killed processes have left there: ``graphnet runs`` and ``graphnet clean``."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError, GraphnetError
from graphnet.core.files.border import described
from graphnet.io import leftovers, run_files
from graphnet.io.checkpoint import entries
from graphnet.io.draft import remove
from graphnet.io.json_files import json_object, json_objects
from graphnet.io.lock import FolderLock, is_locked
from graphnet.io.manifest import CHECKPOINT, Manifest
from graphnet.io.model_folder import MODEL
from graphnet.io.run_files import METRICS, SUMMARY
from graphnet.io.sweep_files import is_sweep

#: How a run is described that ended, by ``stopped`` in its summary.
STATES = {"finished": "finished", "patience": "finished", "failed": "failed"}
#: Keys of a line of metrics that are not metrics.
OTHERS = ("epoch", "loss", "validation_loss", "learning_rate", "gradient_norm", "seconds", "examples", "best")


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run without reading its weights.

    Attributes
    ----------
    path : Path
    state : str
        ``running``: a process is writing to it. ``finished``; ``stopped`` by Ctrl-C or a callback; ``failed`` with an
        error. ``crashed``: its process ended before the run did.
    resumable : bool
        Whether ``graphnet train --resume`` can go on with it now.
    epochs : int
        Complete ones.
    of : int or None
        Those that it was to have.
    metric : (str, float, int) or None
        The metric that selects the best epoch, its best value, and that epoch.
    seconds : float
        The time of its epochs.
    """

    path: Path
    state: str
    resumable: bool
    epochs: int
    of: int | None
    metric: tuple[str, float, int] | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        metric = None if self.metric is None else dict(zip(("name", "value", "epoch"), self.metric, strict=True))
        return {**vars(self), "path": str(self.path), "metric": metric}


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run, of this or an earlier version."""
    return (path / MODEL).is_file() and ((path / METRICS).is_file() or bool(entries(path)))


def runs(folder: Path) -> list[RunInfo]:
    """The runs in a folder, by name; or the one in it, if it is itself the folder of a run.

    Raises
    ------
    FileError
        If the folder cannot be read.
    """
    return [info(path) for path in _run_folders(folder)]


def _run_folders(folder: Path) -> list[Path]:
    if is_run(folder):
        return [folder]
    return [path for path in _folders(folder) if not leftovers.is_temporary(path.name) and is_run(path)]


def _folders(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise FileError("cannot be read", where=str(folder), expected="a folder", received=described(error)) from error
    return [folder / name for name in names if os.path.isdir(folder / name)]


def info(path: Path) -> RunInfo:
    """What is known of the run in a folder; files that cannot be read count as missing."""
    locked, summary, records = is_locked(path), json_object(path / SUMMARY), json_objects(path / METRICS)
    facts = _facts(path)
    if locked:
        state = "running"
    elif summary is None:
        state = "crashed"
    else:
        state = STATES.get(str(summary.get("stopped")), "stopped")
    best = next((record for record in reversed(records) if record.get("best")), None)
    return RunInfo(
        path,
        state,
        resumable=not locked and facts is not None and state != "finished",
        epochs=len(records),
        of=facts.get("epochs") if facts is not None and isinstance(facts.get("epochs"), int) else None,
        metric=None if best is None else _metric(best),
        seconds=sum(_number(record.get("seconds")) or 0.0 for record in records),
    )


def _facts(path: Path) -> Mapping[str, Any] | None:
    """The facts of the newest checkpoint from which the run can go on; None if there is none."""
    for entry in entries(path):
        if not entry.end:
            with contextlib.suppress(GraphnetError):
                return Manifest.read(entry.path, CHECKPOINT).facts
    return None


def _metric(record: Mapping[str, Any]) -> tuple[str, float, int] | None:
    names = [name for name in record if name not in OTHERS]
    first = next((name for name in names if not name.startswith("validation_")), None)
    for name in (f"validation_{first}", "validation_loss", first, "loss"):
        value = _number(record.get(name or ""))
        if value is not None and not (
            name == "validation_loss" and first is not None and f"validation_{first}" in record
        ):
            return str(name), value, int(_number(record.get("epoch")) or 0)
    return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


# ---------------------------------------------------------------------- cleaning
def clean(folder: Path, *, dry_run: bool = False) -> list[Path]:
    """Remove what killed processes have left in a folder, its runs and sweeps; returns what was, or would be, removed.

    Whatever belongs to a run that is going on, or to a process that lives, stays. Nothing but names that graphnet makes
    for what is not complete is ever removed.

    Raises
    ------
    FileError
        If the folder cannot be read.
    """
    removed = [each for path in _folders(folder) if is_sweep(path) for each in clean(path, dry_run=dry_run)]
    for path in _abandoned(folder):
        if not (path.is_dir() and is_locked(path)):
            removed += [path] if dry_run or _removed(path) else []
    for path in [folder, *_folders(folder)]:
        if not leftovers.is_temporary(path.name) and run_files.left_in(path):
            removed += [left for left in _clean_run(path, dry_run) if left not in removed]
    return removed


def _abandoned(folder: Path) -> Iterator[Path]:
    yield from filter(leftovers.abandoned, leftovers.temporaries(folder))


def _clean_run(path: Path, dry_run: bool) -> list[Path]:
    """Clean one folder: of a run, if nobody holds its lock; of another kind, by what is known of the writers."""
    if not is_run(path):
        left = [*filter(leftovers.abandoned, run_files.left_in(path))]
        return [found for found in left if dry_run or _removed(found)]
    if is_locked(path):
        return []
    if dry_run:
        return run_files.left_in(path)
    try:
        lock = FolderLock(path)
    except GraphnetError:  # a run that has just begun to go on, or a folder that cannot be written
        return []
    try:
        return run_files.clean(path)
    finally:
        lock.release()


def _removed(path: Path) -> bool:
    try:
        remove(path)
    except OSError:
        return False
    return True
