"""Where the files of callbacks are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.training.callbacks import TrainingRun


def path_text(where: str, path: Any) -> str:
    """Return a path that was given to a callback as text, which model files can hold.

    Raises
    ------
    ConfigError
        If it is not a path, or an empty one.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text.strip():
        raise ConfigError("not a path", where=where, expected="a path", received=repr(path), key_path=("path",))
    return text


def in_run(run: TrainingRun, path: str) -> Path | None:
    """A path relative to the folder of the run, or to the working directory if the run has none.

    Before the first update it is None for a numbered folder, which gets its name, new and empty, when it is created.
    """
    if os.path.isabs(path):
        return Path(path)
    if run.folder is None and getattr(run.checkpoints, "path", run) is None:
        return None
    return (run.folder or Path()) / path
