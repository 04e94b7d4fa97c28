"""The executor of sweeps that trains in processes of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from graphnet.core.concurrency.processors import processors
from graphnet.plugins import manager
from graphnet.plugins.discovery import installed
from graphnet.plugins.record import VARIABLE
from graphnet.sweeps.executor import Deciding, Ended
from graphnet.sweeps.task import Task

#: Variables that set the number of threads of BLAS and OpenMP libraries.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")
#: Seconds that ``wait`` waits, and that a run whose time is up has to write its last checkpoint.
PAUSE, GRACE = 0.2, 10.0
#: Bytes of a process's last words that are kept.
LAST_WORDS = 4096


class Process:
    """A worker process, its pipes, and the task that it trains."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "graphnet.sweeps.worker", str(writing)]
        # In a process group of its own, so that Ctrl-C reaches the sweep alone.
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(writing,),
            process_group=0, env=environment,
        )  # fmt: skip
        os.close(writing)
        self.reading = reading
        assert self.child.stderr is not None
        self.errors = self.child.stderr.fileno()
        os.set_blocking(self.errors, False)
        self.task: Task | None = None
        self.begun = 0.0
        self.asked_to_stop: float | None = None
        self.rest, self.words = b"", b""

    def send(self, **message: Any) -> None:
        """Write a message; a process that has ended is noticed elsewhere."""
        assert self.child.stdin is not None
        with contextlib.suppress(OSError):
            self.child.stdin.write((json.dumps(message) + "\n").encode())
            self.child.stdin.flush()

    def begin(self, task: Task) -> None:
        """Train a task."""
        self.task, self.begun, self.asked_to_stop = task, time.monotonic(), None
        self.send(task=asdict(task))

    def messages(self) -> list[dict[str, Any]] | None:
        """What has come in; None if the process has ended."""
        data = os.read(self.reading, 1 << 16)
        if not data:
            return None
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def hear(self) -> None:
        """Keep the end of what it writes to standard error."""
        with contextlib.suppress(OSError):  # nothing to read now
            while data := os.read(self.errors, 1 << 16):
                self.words = (self.words + data)[-LAST_WORDS:]

    def end(self) -> str:
        """End it, if it lives, and say how it ended."""
        self.child.kill()
        self.child.wait()
        self.hear()
        status = self.child.returncode
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        for stream in (self.child.stdin, self.child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        os.close(self.reading)
        last = self.words.decode("utf-8", "replace").strip().splitlines()
        return f"its process has ended ({how})" + (f": {last[-1]}" if last and status > 0 else "")


class Pool:
    """Trains in ``slots`` processes, which are started when they are first needed and replaced when they end.

    Parameters
    ----------
    slots : int, at least 1
    threads : int, optional
        BLAS threads of each process. Default: the cores divided by ``slots``.
    """

    def __init__(self, slots: int, threads: int | None = None) -> None:
        self.slots = slots
        self.threads = threads or max(1, processors() // slots)
        self._environment = _environment(self.threads)
        self._processes: list[Process] = []

    def submit(self, task: Task) -> None:
        """Give a task to a process that has none."""
        process = next((each for each in self._processes if each.task is None), None)
        if process is None:
            process = Process(self._environment)
            self._processes.append(process)
        process.begin(task)

    def wait(self, decide: Deciding) -> list[Ended]:
        """Wait until something happens, at most a fifth of a second."""
        ended: list[Ended] = []
        with selectors.DefaultSelector() as selector:
            for process in self._processes:
                selector.register(process.reading, selectors.EVENT_READ, process)
                selector.register(process.errors, selectors.EVENT_READ, None)
            ready = [key.data for key, _ in selector.select(PAUSE if self._processes else 0.0)]
        for process in list(self._processes):
            process.hear()
            if process in ready:
                ended += self._handle(process, decide)
        for process in list(self._processes):
            ended += self._watch(process)
        return ended

    def _handle(self, process: Process, decide: Deciding) -> list[Ended]:
        messages = process.messages()
        if messages is None:
            return self._lost(process)
        ended = []
        for message in messages:
            task = process.task
            if task is None:
                continue
            if "report" in message:
                process.send(answer=decide(task.trial, *message["report"]))
            else:
                result = message["ended"]
                if result["status"] == "stopped" and self._late(process):
                    result = {**result, "status": "timeout"}
                process.task = None
                ended.append(Ended(task, result))
        return ended

    def _lost(self, process: Process) -> list[Ended]:
        """A process has ended by itself, or was killed."""
        self._processes.remove(process)
        how = process.end()
        status = "timeout" if self._late(process) else "lost"
        return [] if process.task is None else [Ended(process.task, {"status": status, "error": how})]

    @staticmethod
    def _late(process: Process) -> bool:
        limit = None if process.task is None else process.task.timeout
        return limit is not None and time.monotonic() - process.begun >= limit

    def _watch(self, process: Process) -> list[Ended]:
        """Ask a run whose time is up to stop; end its process if it does not."""
        if not self._late(process):
            return []
        if process.asked_to_stop is None:
            process.asked_to_stop = time.monotonic()
            process.send(stop=True)
        elif time.monotonic() - process.asked_to_stop >= GRACE:
            return self._lost(process)
        return []

    def stop(self) -> None:
        """Ask all runs to end after a checkpoint."""
        for process in self._processes:
            process.send(stop=True)

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.end()
        self._processes.clear()


def _environment(threads: int) -> dict[str, str]:
    """That of this process, with the same modules and plugins, and as many threads as each process may have."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part), **variables(threads)}


def variables(threads: int) -> dict[str, str]:
    """The variables of the environment that give another process the plugins of this one, and a number of threads."""
    environment = {}
    for name in THREADS:
        given = os.environ.get(name, "").split(",")[0]
        environment[name] = str(min(threads, int(given)) if given.isdigit() and int(given) else threads)
    points = {point.name for point in installed()}
    loaded = [plugin.name for plugin in manager().plugins if plugin.status == "loaded" and plugin.name in points]
    environment[VARIABLE] = ",".join(loaded) or "none"
    return environment
