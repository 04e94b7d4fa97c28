"""The actor that trains runs of a sweep, one after another, in a process that Ray starts."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Seconds for which a folder that another machine has just made may be missing here: file systems keep listings.
SETTLE = 10.0
#: Seconds for which a run waits for a process that may still write to its folder. A machine that Ray has given up may
#: be cut off only, and ends its processes when it has missed the head for a minute.
LET_GO = 150.0

#: What a worker says: ``started``, ``report`` or ``ended``, and what belongs to it.
Event = tuple[str, Any]


class TrialWorker:
    """Trains what it is given. Methods run in threads of their own, so that it answers while it trains.

    ``begin`` and ``answer`` return the next event of the run: ``('report', (epoch, value))``, which waits for an
    answer, or ``('ended', result)`` with the result of :func:`graphnet.sweeps.task.execute`.
    """

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopped: set[int] = set()

    def start(self) -> Event:
        """Return ``('started', place)``, after the imports that take longest."""
        import graphnet.sweeps.task  # noqa: F401

        return "started", f"process {os.getpid()} on {socket.gethostname()}"

    def begin(self, number: int, task: Mapping[str, Any], marks: Mapping[str, Any]) -> Event:
        """Train a task, in a thread, and wait for its first event.

        Parameters
        ----------
        number : int
            A new one for each task, by which ``stop`` refers to it.
        task : mapping
            The fields of a :class:`graphnet.sweeps.task.Task`.
        marks : mapping
            ``versions`` of the software and the ``token`` of the folder of the sweep, which must be the same here.
        """
        threading.Thread(target=self._train, args=(number, task, marks), daemon=True).start()
        return self._events.get()

    def answer(self, goes_on: bool) -> Event:
        """Answer a report, and wait for the next event."""
        self._answers.put(goes_on)
        return self._events.get()

    def stop(self, number: int) -> None:
        """Let the run of a task end after a checkpoint."""
        self._stopped.add(number)

    def ping(self) -> None:
        """Return: a sign of life."""

    def _train(self, number: int, task: Mapping[str, Any], marks: Mapping[str, Any]) -> None:
        try:
            result = self._result(number, task, marks)
        except BaseException as error:  # whatever it is, the sweep hears of it
            result = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
        self._events.put(("ended", result))

    def _result(self, number: int, task: Mapping[str, Any], marks: Mapping[str, Any]) -> dict[str, Any]:
        from graphnet.io.lock import is_locked
        from graphnet.sweeps.task import Task, execute

        def stops() -> bool:
            return number in self._stopped

        def decide(epoch: int, value: float | None) -> bool:
            self._events.put(("report", (epoch, value)))
            return self._answers.get()

        problem = objection(task, marks)
        if problem is not None:
            return {"status": "refused", "error": f"on {socket.gethostname()}, {problem}"}
        end, folder = time.monotonic() + LET_GO, Path(task["folder"])
        while is_locked(folder) and time.monotonic() < end and not stops():
            time.sleep(0.1)
        return {"status": "stopped"} if stops() else execute(Task.of(task), decide, stops)


def objection(task: Mapping[str, Any], marks: Mapping[str, Any]) -> str | None:
    """Why a task cannot be trained here; None if it can."""
    own = versions()
    for name in sorted({*own, *marks["versions"]}):
        here, there = own.get(name, "not installed"), marks["versions"].get(name, "not installed")
        if here != there:
            return f"{name} is {here}, and {there} where the sweep runs; install the same versions"
    sweep = Path(task["folder"]).parent
    end = time.monotonic() + SETTLE
    while token(sweep) != marks["token"]:
        if time.monotonic() >= end:
            what = "is another folder" if sweep.is_dir() else "does not exist"
            return (
                f"the folder of the sweep, {sweep}, {what}; put it on a file system that all machines of the "
                "cluster share, under the same path"
            )
        time.sleep(0.2)
    model = Path(task["base"]["folder"])
    if not model.is_dir():
        return f"the folder of the model file, {model}, does not exist; put it on a shared file system too"
    return None


def token(sweep: Path) -> str | None:
    """What distinguishes the folder of a sweep from all others: the token of the lock that the sweep holds."""
    from graphnet.io.lock import Holder

    holder = Holder.read(sweep)
    return None if holder is None else holder.token


def versions() -> dict[str, str]:
    """The versions of graphnet and of the plugins that are loaded."""
    from graphnet import __version__
    from graphnet.plugins import manager

    loaded = {each.distribution: each.version for each in manager().plugins if each.status == "loaded"}
    return {**loaded, "graphnet": __version__}
