"""The executor of sweeps that trains on Ray: on the machines of a cluster, or in processes of this one."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from graphnet import ConfigError
from graphnet_ray.session import connect, disconnect
from graphnet_ray.trial_worker import TrialWorker, token, versions

#: Seconds that ``wait`` waits, between two signs of life, until a silent process is given up, and that a run whose time
#: is up has to write its last checkpoint.
PAUSE, PING, SILENCE, GRACE = 0.2, 5.0, 60.0, 10.0
#: Concurrent calls of a worker: a run, a stop, a ping, and one to spare.
CALLS = 4
#: Bytes of the object store of a Ray that is started for a sweep, which sends messages only.
STORE = 100 << 20


class Task(Protocol):
    """A run to train: :class:`graphnet.sweeps.task.Task`, which is imported late."""

    folder: str
    trial: int
    timeout: float | None


@dataclass
class _Slot:
    """A worker, the task that it trains, and what is awaited of it: that it starts, or the next event of its run."""

    actor: Any
    event: Any
    task: Any = None
    number: int = 0
    place: str | None = None
    begun: float | None = None
    asked: float | None = None
    ping: Any = None
    pinged: float = 0.0
    silent: float = 0.0


class RayExecutor:
    """Trains each run in an actor of Ray: a process on any machine of the cluster that has CPUs for it.

    A run writes to the folder of the sweep, which must be on a file system that all machines share, under the same
    path; so must the model file and the data. Each worker checks the first, and that it has the same versions of
    graphnet and of the plugins. A process that ends, by itself or with its machine, is replaced, and its run goes on
    from its last checkpoint.

    Parameters
    ----------
    slots : int, at least 1
        Runs at a time. Where the cluster has fewer CPUs, runs wait until some are free.
    threads : int, at least 1, optional
        BLAS threads of each run, and the CPUs that it reserves. Default: as many as let all run at a time.
    address : str, optional
        Of a cluster, such as ``'10.0.0.1:6379'``, or ``'auto'`` for the one that this machine belongs to. Default: that
        of the variable RAY_ADDRESS; else Ray is started on this machine, for this sweep.

    Raises
    ------
    ConfigError
        If Ray cannot be reached or started, or no machine of the cluster has as many CPUs as ``threads``.

    Examples
    --------
    >>> graphnet.sweep("sweep.yaml", jobs=2, executor="ray")  # doctest: +SKIP
    """

    def __init__(self, slots: int, threads: int | None = None, *, address: str | None = None) -> None:
        import ray

        self.slots = slots
        self._slots: list[_Slot] = []
        room = slots * threads if threads else max(slots, os.cpu_count() or 1)
        connect(address, cpus=room, object_store=STORE)
        self._open, self._stopping = True, False
        cpus = [int(each["Resources"].get("CPU", 0)) for each in ray.nodes() if each["Alive"]]
        self.threads = threads or _threads(slots, cpus)
        if self.threads > max(cpus, default=0):
            self.close()
            raise ConfigError("no machine of the cluster has enough CPUs", where="RayExecutor.threads",
                              expected=f"at most {max(cpus, default=0)}", received=self.threads)  # fmt: skip
        self._waiting: deque[Any] = deque()
        self._numbers = itertools.count(1)
        self._marks = {"versions": versions()}
        self._waited: float | None = None

    # ------------------------------------------------------------------ the interface of executors
    def submit(self, task: Task) -> None:
        """Give a task to a worker, as soon as there is one."""
        self._waiting.append(task)
        self._dispatch()

    def wait(self, decide: Callable[[int, int, float | None], bool]) -> list[Any]:
        """Wait until something happens, at most a fifth of a second."""
        import ray

        ended = self._withdrawn()
        awaited = [slot for slot in self._slots if slot.event is not None]
        if ended or not awaited:
            return ended
        events = [slot.event for slot in awaited]
        ray.wait(events, num_returns=1, timeout=PAUSE)
        ready, _ = ray.wait(events, num_returns=len(events), timeout=0)
        passed = self._passed()
        for slot in awaited:
            ended += self._handle(slot, decide) if slot.event in ready else self._watch(slot, passed)
        self._dispatch()
        return ended

    def stop(self) -> None:
        """Ask all runs to end after a checkpoint."""
        self._stopping = True
        for slot in self._slots:
            if slot.task is not None:
                slot.actor.stop.remote(slot.number)

    def close(self) -> None:
        """End all workers, and a Ray that was started for them and is not used otherwise."""
        if self._open:
            self._open = False
            for slot in self._slots:
                self._kill(slot)
            self._slots.clear()
            disconnect()

    # ------------------------------------------------------------------ workers
    def _dispatch(self) -> None:
        """Let workers without a task begin those that wait, and start further workers for the rest."""
        for slot in self._slots:
            if self._waiting and slot.task is None and slot.event is None:
                self._begin(slot, self._waiting.popleft())
        starting = sum(slot.task is None and slot.event is not None for slot in self._slots)
        for _ in range(min(len(self._waiting) - starting, self.slots - len(self._slots))):
            self._slots.append(self._worker())

    def _worker(self) -> _Slot:
        """A worker that is starting, as soon as the cluster has the CPUs."""
        import ray

        from graphnet.sweeps.pool import variables

        options = {"num_cpus": self.threads, "max_concurrency": CALLS, "max_restarts": 0}
        environment = {"env_vars": variables(self.threads)}
        actor = ray.remote(TrialWorker).options(**options, runtime_env=environment).remote()
        return _Slot(actor, actor.start.remote())

    def _begin(self, slot: _Slot, task: Task) -> None:
        slot.task, slot.number, slot.begun, slot.asked, slot.silent = (
            task,
            next(self._numbers),
            time.monotonic(),
            None,
            0.0,
        )
        marks = {**self._marks, "token": token(Path(task.folder).parent)}
        slot.event = slot.actor.begin.remote(slot.number, asdict(task), marks)  # type: ignore[call-overload]

    def _withdrawn(self) -> list[Any]:
        """The tasks that no worker has begun when the sweep stops."""
        from graphnet.sweeps.executor import Ended

        tasks = [self._waiting.popleft() for _ in range(len(self._waiting) if self._stopping else 0)]
        return [Ended(task, {"status": "stopped"}) for task in tasks]

    def _kill(self, slot: _Slot) -> None:
        import ray

        ray.kill(slot.actor)

    def _passed(self) -> float:
        """Seconds since the last ``wait``; not those for which this process was itself stopped, or busy elsewhere."""
        now = time.monotonic()
        passed = 0.0 if self._waited is None else min(now - self._waited, 2 * PAUSE)
        self._waited = now
        return passed

    # ------------------------------------------------------------------ what happens to a run
    def _handle(self, slot: _Slot, decide: Callable[[int, int, float | None], bool]) -> list[Any]:
        """Take an event of a run."""
        import ray

        try:
            what, value = ray.get(slot.event)
        except ray.exceptions.RayError as error:
            return self._gone(slot, error)
        slot.silent = 0.0
        if what == "started":
            slot.place, slot.event = value, None
            return []
        if what == "report":
            slot.event = slot.actor.answer.remote(decide(slot.task.trial, *value))
            return []
        late = value["status"] == "stopped" and self._late(slot)
        return self._end(slot, {**value, "status": "timeout"} if late else value)

    def _gone(self, slot: _Slot, error: Exception) -> list[Any]:
        """A worker has ended, or could not be started."""
        import ray

        never = (
            ray.exceptions.RuntimeEnvSetupError,
            ray.exceptions.ActorUnschedulableError,
            ray.exceptions.RayTaskError,
        )
        if getattr(error, "_actor_init_failed", False) or isinstance(error, never):
            problem = f"a worker of Ray cannot be started: {last_line(error)}"
            return self._end(slot, {"status": "refused", "error": problem}, True)
        return self._lost(slot, f"{slot.place or 'its process'} has ended ({reason(error)})")

    def _lost(self, slot: _Slot, how: str) -> list[Any]:
        return self._end(slot, {"status": "timeout" if self._late(slot) else "lost", "error": how}, True)

    def _end(self, slot: _Slot, result: dict[str, Any], worker: bool = False) -> list[Any]:
        """A run has ended; ``worker``: so has its worker, and one that was starting takes a task with it."""
        from graphnet.sweeps.executor import Ended

        task, slot.task, slot.event = slot.task, None, None
        if worker:
            self._slots.remove(slot)
            self._kill(slot)
            task = self._waiting.popleft() if task is None and self._waiting else task
        return [] if task is None else [Ended(task, result)]

    @staticmethod
    def _late(slot: _Slot) -> bool:
        limit = None if slot.task is None else slot.task.timeout
        return limit is not None and slot.begun is not None and time.monotonic() - slot.begun >= limit

    def _watch(self, slot: _Slot, passed: float) -> list[Any]:
        """A run of which there is no news: end it if its time is up, or its worker does not answer."""
        if slot.task is None:
            return []
        now = time.monotonic()
        if self._late(slot):
            if slot.asked is None:
                slot.asked = now
                slot.actor.stop.remote(slot.number)
            elif now - slot.asked >= GRACE:
                return self._lost(slot, "it did not stop")
        return self._lost(slot, f"{slot.place} does not answer") if self._is_silent(slot, passed) else []

    @staticmethod
    def _is_silent(slot: _Slot, passed: float) -> bool:
        import ray

        now = time.monotonic()
        if slot.ping is not None and ray.wait([slot.ping], timeout=0)[0]:  # answered, or the end of the worker
            slot.ping, slot.silent = None, 0.0
        if slot.ping is None and now - slot.pinged >= PING:
            slot.ping, slot.pinged = slot.actor.ping.remote(), now
        slot.silent += passed if slot.ping is not None else 0.0
        return slot.silent >= SILENCE


def _threads(slots: int, cpus: list[int]) -> int:
    """The most threads with which ``slots`` runs fit on machines with these numbers of CPUs; at least 1.

    Examples
    --------
    >>> _threads(1, [2]), _threads(3, [4, 4]), _threads(8, [2, 2])
    (2, 2, 1)
    """
    fitting = [n for n in range(1, max(cpus, default=1) + 1) if sum(each // n for each in cpus) >= slots]
    return max(fitting, default=1)


def reason(error: Exception) -> str:
    """Why a worker has ended, in a few words of the many that Ray has."""
    text = str(error)
    if "OutOfMemory" in type(error).__name__ or "memory monitor" in text or "OOM" in text.split("Some common")[0]:
        return "there is not enough memory"
    if "node" in text and ("died" in text or "dead" in text) and "worker process has died" not in text:
        return "its machine has ended, or cannot be reached"
    if "Worker exit detail" in text:
        return "killed, or crashed"
    return last_line(error)


def last_line(error: Exception) -> str:
    """The last line of an error, which names the cause."""
    return str(error).strip().splitlines()[-1].strip()[:300]
