"""What callbacks do with files; imported when a run starts, because graphnet.io takes long to import."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from graphnet.core.errors import FileError
from graphnet.core.run.state import State
from graphnet.io import atomic, filesystem, leftovers
from graphnet.io.draft import remove, used
from graphnet.io.manifest import MANIFEST
from graphnet.io.model_folder import save_model
from graphnet.io.run_files import append
from graphnet.io.writing import model_text
from graphnet.training.callbacks import TrainingRun
from graphnet.training.config import TrainingConfig
from graphnet.training.history import History

__all__ = ["append", "clear", "contents", "discard", "model_text", "replace", "save"]


def replace(path: Path, data: bytes) -> None:
    """Write a whole file; missing folders are created.

    Raises
    ------
    FileError
        If that is not possible.
    """
    try:
        filesystem.make_folders(path.parent)
    except OSError as error:
        raise FileError("the folder cannot be created", where=str(path.parent), received=error.strerror) from error
    atomic.write(path, data)


def contents(folder: Path) -> list[str]:
    """What is in a folder, without what killed processes have left; nothing if there is no folder.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    try:
        return used(folder)
    except OSError as error:
        raise FileError("cannot be read", where=str(folder), received=error.strerror) from error


def save(run: TrainingRun, target: Path, history: History) -> None:
    """Save the present model of a run; what is there, of a process that was killed, is replaced.

    Raises
    ------
    FileError
        If that is not possible.
    """
    discard(target)
    with run.evaluated_weights():
        state = run.present_state or State()
        save_model(target, run.runner, _config(run, target), state, history, run.runner.backend)


def _config(run: TrainingRun, target: Path) -> TrainingConfig:
    """The configuration for a file in a folder: a data file that is relative to the run's folder stays the same one."""
    config: TrainingConfig = run.config
    moved = getattr(run.checkpoints, "config_in", None)
    return config if moved is None else moved(config, target)  # type: ignore[no-any-return]


def discard(path: Path) -> None:
    """Remove a file or a folder, if it is there and can be removed."""
    if os.path.lexists(path):
        with contextlib.suppress(OSError):
            remove(path)


def clear(folder: Path, models: list[str]) -> None:
    """Remove models from a folder, and what killed processes have begun to write there."""
    for name in models:
        if (folder / name / MANIFEST).exists():
            discard(folder / name)
    for left in leftovers.temporaries(folder):
        if leftovers.abandoned(left):
            discard(left)
