"""The files of a sweep's folder that say what it is and how far it is; :mod:`graphnet.sweeps` writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError
from graphnet.io.lock import is_locked

FORMAT = "graphnet-sweep/1"
SWEEP, RESULTS = "sweep.json", "results.json"
#: Bytes of the largest file of results.
MOST = 2**28


def is_sweep(path: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (path / SWEEP).is_file()


def refuse_sweep(path: Path) -> None:
    """Raise a FileError if a folder is that of a sweep, where one of its runs is expected.

    Raises
    ------
    FileError
    """
    if is_sweep(path):
        best = ((results(path) or {}).get("best") or {}).get("path")
        raise FileError("a sweep, not a run", where=str(path), expected="the folder of one of its runs",
                        remedy=f"Its best run: {path / best}." if best else None)  # fmt: skip


def results(path: Path) -> Mapping[str, Any] | None:
    """The results of a sweep so far; None if there are none yet, or they cannot be read."""
    try:
        with open(path / RESULTS, "rb") as file:
            value = json.loads(file.read(MOST))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class SweepInfo:
    """What is known of a sweep from its results.

    Attributes
    ----------
    path : Path
    state : str
        As that of a run.
    trials, of : int
        Those that have ended, and those that it is to have.
    metric : (str, float, int) or None
        The objective, its best value, and the number of that trial.
    seconds : float
        The time of the epochs of all runs.
    """

    path: Path
    state: str
    trials: int
    of: int
    metric: tuple[str, float, int] | None
    seconds: float

    @property
    def resumable(self) -> bool:
        """Whether ``graphnet sweep --resume`` can go on with it now."""
        return self.state in ("stopped", "crashed")

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        metric = None if self.metric is None else dict(zip(("name", "value", "trial"), self.metric, strict=True))
        return {"kind": "sweep", **vars(self), "path": str(self.path), "resumable": self.resumable, "metric": metric}


def info(path: Path) -> SweepInfo:
    """What is known of the sweep in a folder; results that cannot be read count as none."""
    found, locked = results(path) or {}, is_locked(path)
    trials = [each for each in found.get("trials", ()) if isinstance(each, dict)]
    ended = [each for each in trials if each.get("state") != "unfinished"]
    best = (found.get("best") or {}).get("trial")
    value = next((each.get("value") for each in trials if each.get("number") == best), None)
    state = str(found.get("state", "crashed"))
    return SweepInfo(
        path,
        "running" if locked else "crashed" if state == "running" else state,
        len(ended),
        int(found.get("wanted") or 0),
        None if value is None else (str(found["objective"]["metric"]), float(value), int(best or 0)),
        sum(float(each.get("seconds") or 0.0) for each in trials),
    )


def sweeps(folder: Path) -> list[SweepInfo]:
    """The sweeps in a folder, by name, or the one that it is; none if it cannot be read."""
    if is_sweep(folder):
        return [info(folder)]
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [info(folder / name) for name in names if not name.startswith(".") and is_sweep(folder / name)]
