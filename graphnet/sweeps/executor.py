"""What trains the runs of a sweep: the interface, and the executor that does it in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from graphnet.sweeps.task import Task, execute

#: Whether the run of a trial goes on: the number of the trial, the epoch, the value of the objective.
Deciding = Callable[[int, int, float | None], bool]


@dataclass(frozen=True)
class Ended:
    """A run that has ended, in whatever way.

    Attributes
    ----------
    task : Task
    result : dict
        As that of :func:`graphnet.sweeps.task.execute`; ``status`` may also be ``lost``: its process has ended, and
        ``timeout``: it was stopped for its time.
    """

    task: Task
    result: Mapping[str, Any]


class Executor(Protocol):
    """Trains runs somewhere else: in processes here, on other machines.

    A task is plain data, and its run writes to a folder that whoever executes it shares with the sweep. One that is
    lost is submitted again, and goes on from its last checkpoint.

    Attributes
    ----------
    slots : int
        How many tasks it takes at a time.
    """

    slots: int

    def submit(self, task: Task) -> None:
        """Begin a task; at most ``slots`` are under way."""

    def wait(self, decide: Deciding) -> list[Ended]:
        """Wait for a while, answer reports by ``decide``, and return the tasks that have ended."""

    def stop(self) -> None:
        """Ask all runs to end after a checkpoint; ``wait`` then returns them as ``stopped``."""

    def close(self) -> None:
        """End at once what is still under way, and give back what the executor holds."""


class InProcess:
    """Trains one run at a time, in this process: for layers that other processes do not have, and for a debugger.

    Parameters
    ----------
    interrupted : callable
        Once it returns True, the run ends after a checkpoint.
    """

    slots = 1

    def __init__(self, interrupted: Callable[[], bool] = lambda: False) -> None:
        self._tasks: deque[Task] = deque()
        self._interrupted, self._stopping = interrupted, False

    def submit(self, task: Task) -> None:
        """Keep a task for ``wait``."""
        self._tasks.append(task)

    def wait(self, decide: Deciding) -> list[Ended]:
        """Train."""
        if not self._tasks:
            return []
        task = self._tasks.popleft()
        if self._stopping:
            return [Ended(task, {"status": "stopped"})]
        return [Ended(task, execute(task, lambda epoch, value: decide(task.trial, epoch, value), self._stops))]

    def _stops(self) -> bool:
        return self._stopping or self._interrupted()

    def stop(self) -> None:
        """Train nothing more."""
        self._stopping = True

    def close(self) -> None:
        """Forget what is left."""
        self._tasks.clear()
