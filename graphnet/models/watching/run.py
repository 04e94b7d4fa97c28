"""What the folder of a run says now, as data for a page."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError, GraphnetError
from graphnet.inspect.drawing import draw
from graphnet.inspect.summary import summary
from graphnet.io.checkpoint import CHECKPOINTS, entries
from graphnet.io.json_files import json_object
from graphnet.io.lock import LOCK
from graphnet.io.manifest import MANIFEST
from graphnet.io.model_folder import MODEL, STATE, VERSIONS, WEIGHTS
from graphnet.io.run_folder import METRICS, SUMMARY
from graphnet.io.run_history import HISTORY, read_history
from graphnet.io.run_list import RunInfo, info, is_run
from graphnet.io.sweep_files import refuse_sweep
from graphnet.models.loading import load
from graphnet.models.pages.details import class_data, node_data
from graphnet.models.pages.equation_data import equation_data
from graphnet.models.pages.facts import cleaned, curve_data, environment_data, test_data, training_data
from graphnet.models.pages.graphs import graph_data
from graphnet.models.pages.work_data import work_data
from graphnet.models.watching.measured import Measurements

#: The files of a run that may be read, and the folder.
FILES = (MODEL, METRICS, SUMMARY, VERSIONS, WEIGHTS, STATE, HISTORY, MANIFEST, LOCK, CHECKPOINTS)
#: Reading the weights takes at most this share of the time, and so does reading the rest: training keeps its processor.
SHARE = 0.1
#: Seconds between two looks at the lock, which is taken for a moment to find out whether a process holds it.
LOCK_SECONDS = 2.0


class WatchedRun:
    """A run that may not have begun, may be going on, or may have ended; nothing in its folder is changed.

    Parameters
    ----------
    path : Path
        Its folder, which may be missing or empty.
    measurements : Measurements, optional
        Computes the parts of the page for which the model must be run.

    Raises
    ------
    FileError
        If it is a file, or the folder of something else.
    """

    def __init__(self, path: Path, measurements: Measurements | None = None) -> None:
        self.path, self.measurements = path, measurements
        self.name = path.resolve().name or "run"
        self._seen: tuple[Any, ...] = ()
        self._data: dict[str, Any] = {}
        self._model: dict[str, Any] = {}
        self._model_key: tuple[Any, ...] = ()
        self._next_model = self._next_lock = self._next_facts = 0.0
        self._refuse_others()

    def _refuse_others(self) -> None:
        path = self.path
        refuse_sweep(path)
        if is_run(path) or not os.path.lexists(path):
            return
        received = "a file"
        if path.is_dir():
            try:
                others = [name for name in os.listdir(path) if not name.startswith(".")]
            except OSError as error:
                raise FileError("cannot be read", where=str(path), received=error.strerror) from error
            if not others:
                return
            received = "a folder with other files"
        expected = "the folder of a training run, or one that a run will create"
        raise FileError("not a run", where=str(path), expected=expected, received=received)

    @property
    def begun(self) -> bool:
        """Whether the folder is that of a run, and can be read."""
        try:
            return is_run(self.path)
        except OSError:
            return False

    def read(self) -> dict[str, Any]:
        """The data of the page; what has not changed since the last call is the same object.

        No error is raised for files that cannot be read: the data say so, and keep what was read before.
        """
        if not self.begun:
            return self._without_run()
        strange = strange_file(self.path)
        if strange:
            return {**self._shown(), "live": {"state": "unreadable", "words": f"Not read: {strange}."}}
        seen, now = self._signature(), time.monotonic()
        if seen != self._seen and now >= self._next_facts:
            try:
                self._data = self._facts()
            except (GraphnetError, OSError) as error:  # the folder is being moved or removed
                return {**self._shown(), "live": {"state": "unreadable", "words": f"Not read: {cleaned(str(error))}"}}
            self._seen = seen
            end = time.monotonic()
            self._next_facts = end + (end - now) / SHARE
        self._read_model()
        return self._shown()

    def _shown(self) -> dict[str, Any]:
        """What was read last."""
        measured = {} if self.measurements is None or not self._model else self.measurements.data()
        return {"title": self.name} | self._data | self._model | measured

    def _without_run(self) -> dict[str, Any]:
        """The data of the page before a run begins; or, after its folder has gone, what was read before."""
        self._seen, self._model_key, self._next_facts = (), (), 0.0
        if not self._data:
            return {"title": self.name, "live": {"state": "waiting", "words": "The run has not begun yet."}}
        words = "The run is not in its folder any more; what is shown was read before."
        return {**self._shown(), "live": {"state": "gone", "words": words}}

    def _signature(self) -> tuple[Any, ...]:
        """What differs as soon as a file of the run has changed; from time to time also otherwise, for the lock."""
        now = time.monotonic()
        if now >= self._next_lock:
            self._next_lock = now + LOCK_SECONDS
        files = [_stamp(self.path / name) for name in (METRICS, SUMMARY, VERSIONS, MODEL, LOCK)]
        return (self._next_lock, *files, *(entry.path.name for entry in entries(self.path)))

    def _facts(self) -> dict[str, Any]:
        known = info(self.path)
        data: dict[str, Any] = {"title": self.name, "live": {"state": known.state, "words": _words(known)}}
        data["environment"] = environment_data(json_object(self.path / VERSIONS) or {})
        test = test_data(json_object(self.path / SUMMARY))
        if test:
            data["test"] = test
        history = read_history(self.path, all_epochs=True)
        if history is not None:
            data["history"] = curve_data(history)
            if known.state != "running" and history.stopped == "unfinished":
                data["history"]["ending"] += ": the process has ended before the run"
        return data

    def _read_model(self) -> None:
        """Read the graph and the weights again, if there is a newer checkpoint and the last time is long ago."""
        newest = next((entry.path.name for entry in entries(self.path)), None)
        key = (_stamp(self.path / MODEL), newest, _stamp(self.path / WEIGHTS))
        start = time.monotonic()
        if key == self._model_key or start < self._next_model:
            return
        try:
            model = load(self.path)
            drawing = draw(summary(model.graph))
            found: dict[str, Any] = {"nodes": node_data(drawing), "training": training_data(model.config)}
            if key[0] != (self._model_key or (None,))[0] or "graphs" not in self._model:
                found |= {"graphs": graph_data(drawing), "classes": class_data(drawing)}
                found |= {"equations": equation_data(model.graph), "work": work_data(model.graph, 1)}
            self._model = {**self._model, **found}
            self._model.pop("trouble", None)
            self._model_key = key
            if self.measurements is not None:
                self.measurements.offer(key[0], key)
        except (GraphnetError, OSError) as error:  # files that are being replaced; or a plugin that is not installed
            self._model = {**self._model, "trouble": cleaned(str(error))}
        end = time.monotonic()
        self._next_model = end + (end - start) / SHARE


def strange_file(run: Path) -> str:
    """A file of a run, in words, that must not be read: a link that leads out of the folder, or no regular file.

    A folder that somebody else has made may have links to files that are not to be shown, and pipes, on which a reader
    waits for ever.
    """
    root = os.path.realpath(run)
    for name in FILES:
        problem = _strange(os.path.join(root, name), root, folder=name == CHECKPOINTS)
        if problem:
            return f"{name} {problem}"
    for folder, folders, files in os.walk(os.path.join(root, CHECKPOINTS)):
        for name in (*folders, *files):
            problem = _strange(os.path.join(folder, name), root, folder=name in folders)
            if problem:
                return f"{CHECKPOINTS}, {name} {problem}"
    return ""


def _strange(path: str, root: str, *, folder: bool) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""  # missing, or not to be read: another error says so
    if os.path.islink(path) and not os.path.realpath(path).startswith(os.path.join(root, "")):
        return "is a link that leads out of the folder"
    return "" if folder or stat.S_ISREG(mode) else "is not a file"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _words(known: RunInfo) -> str:
    """The state of a run in one line."""
    words = {
        "running": "Running",
        "finished": "Finished",
        "stopped": "Stopped",
        "failed": "Failed",
        "crashed": "Its process has ended before the run",
    }[known.state]
    of = "" if known.of is None else f" of {known.of}"
    best = "" if known.metric is None else f"; best {known.metric[0]} {known.metric[1]:.4g}, epoch {known.metric[2]}"
    resume = "; graphnet train --resume goes on with it" if known.resumable else ""
    return f"{words}: {known.epochs}{of} epochs{best}{resume}."
