"""The threads of this process that share the work of large programs.

One pool a process. Its workers run native code alone: they wait there for tasks (:mod:`graphnet_native.team`), never
hold the interpreter's lock, and sleep when nothing has come for a while. A task that finds the pool busy, or a platform
without threads, runs in the calling thread alone, with the same bits.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

from graphnet_native import team
from graphnet_native.engine import Engine, key_of, objects_of, vector_bytes, version
from graphnet_native.ir import Module

#: More workers than any machine has cores for a Scan.
MOST = 256
#: Seconds for which a thread looks for the others within a task, and for a next task, before it sleeps; and for which
#: a task looks for workers that answer.
WITHIN, BETWEEN, ROLL = 50e-6, 200e-6, 50e-6
#: A worker that naps because there is no futex: microseconds, or milliseconds on Windows.
NAP = 1 if sys.platform == "win32" else 50
#: A task in which threads slept, and which took this part of the time that one thread would take, has lost time.
GAIN = 0.8
#: Seconds in which workers start; tasks run with those that have.
START = 0.1
#: Seconds that the end of the process waits for a task of another thread.
PATIENCE = 2.0

_SHARE = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4, ctypes.c_void_p)


class _Code:
    """The compiled functions, once a process."""

    def __init__(self) -> None:
        module = team.code(Module(vector_bytes(), version()))
        objects = objects_of(key_of("team", module.text()), lambda: module)
        self.engine = Engine(objects, team.EXPORTS)
        self.share_address = self.engine.address("team_share")
        self.share = ctypes.CFUNCTYPE(None, *_SHARE)(self.share_address)
        self.worker = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(self.engine.address("team_worker"))
        self.spin = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.engine.address("team_spin"))
        self.end = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.engine.address("team_end"))
        self.looks = self._looks()

    def _looks(self) -> float:
        """Looks at a word in a second."""
        word, number, best = ctypes.c_int64(), 1000, 1.0
        for _ in range(3):
            began = time.perf_counter()
            self.spin(ctypes.addressof(word), number)
            best = min(best, time.perf_counter() - began)
        return number / max(best, 1e-7)


class Task:
    """A compiled function that workers share, and the shortest time that it took them for a step, in nanoseconds."""

    def __init__(self, function: int) -> None:
        self.function = function
        self._best = ctypes.c_int64()
        self.record = ctypes.addressof(self._best)


class Pool:
    """Workers, which are started when a task wants them.

    Attributes
    ----------
    process : int
        The process that it belongs to: in a forked child there are no workers, and another pool is made.
    """

    def __init__(self, code: _Code) -> None:
        self.code, self.process = code, os.getpid()
        size = team.MAILBOX + MOST * team.MAILBOX_BYTES
        self._memory = ctypes.create_string_buffer(size + 128)
        self.team = -(-ctypes.addressof(self._memory) // 128) * 128
        self._threads: list[threading.Thread] = []
        self._workers = 0
        self._lock, self._entering = threading.RLock(), threading.Lock()
        self._closed = self._ended = False
        address, nap = _sleeping()
        looks = [int(seconds * code.looks) for seconds in (WITHIN, BETWEEN, ROLL)]
        limits = int(1000 * GAIN), int(1e9 * ROLL)
        for i, value in enumerate((address, team.FUTEX, nap, NAP, *looks, *_clock(), *limits)):
            self._word(team.SETTINGS + 8 * i).value = value
        self._word(team.REST).value = 16
        self._lost, self._settled = self._word(team.LOST), 0

    def _word(self, offset: int) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self.team + offset)

    @property
    def counts(self) -> tuple[int, int]:
        """The tasks so far that were shared, and those that ran alone."""
        return self._word(team.SHARED).value, self._word(team.ALONE).value

    def run(self, task: Task, table: int, start: int, stop: int, origin: int, workers: int) -> None:
        """Run a task with up to that number of workers, the calling thread included."""
        workers = self.start(workers)
        self.code.share(self.team, task.function, table, start, stop, origin, workers, task.record)
        self.settle()

    def start(self, workers: int) -> int:
        """Start workers that are missing, for what runs tasks; returns the number that there are."""
        if workers <= self._workers + 1:
            return workers
        return self._workers + 1 if self._closed else self._start(workers)

    def settle(self) -> None:
        """After tasks: where time was lost, move the workers away from the caller's core."""
        lost = self._lost.value
        if lost != self._settled:
            self._settled = lost
            self._spread()

    def _spread(self) -> None:
        """Keep the workers away from the core of this thread, where the system's scheduler has put them together."""
        if _processor is None:
            return
        try:
            others = os.sched_getaffinity(0) - {_processor()}
            if others:
                for thread in self._threads:
                    os.sched_setaffinity(thread.native_id or 0, others)
        except OSError:  # not allowed here: slower, and nothing else
            pass

    def _start(self, wanted: int) -> int:
        """Start workers that are missing; returns the number of workers that there are."""
        with self._lock:
            until = time.monotonic() + START
            while not self._closed and len(self._threads) + 1 < min(wanted, MOST):
                name = f"graphnet-native-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # at the end of the interpreter, in an isolated one, or beyond a limit
                    self._closed = True
                    break
                self._threads.append(thread)
            while self._workers < len(self._threads) and time.monotonic() < until:
                time.sleep(1e-5)
            return min(wanted, self._workers + 1)

    def _work(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for threads that can be interrupted
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        # A worker takes its number itself: no signal handler runs in this thread, so none is lost or given twice.
        with self._entering:
            if self._workers >= MOST or self._closed:
                return
            mailbox = self.team + team.MAILBOX + self._workers * team.MAILBOX_BYTES
            self._workers += 1
        self.code.worker(self.team, mailbox)

    def close(self) -> None:
        """End the workers; tasks run alone from then on."""
        if self.process != os.getpid():
            return
        with self._entering:
            self._closed = True
        if self._ended:
            return
        self._ended = True
        busy, until = ctypes.c_int32.from_address(self.team + team.BUSY), time.monotonic() + PATIENCE
        while busy.value:  # a task of another thread, which ends by itself
            if time.monotonic() > until:
                return
            time.sleep(0.001)
        if self._workers:
            self.code.end(self.team, self._workers)
        for thread in self._threads:
            thread.join(PATIENCE)


def _sleeping() -> tuple[int, int]:
    """The addresses of ``syscall``, 0 where it is not used, and of a function that sleeps for a while."""
    if sys.platform == "win32":
        return 0, _address(ctypes.WinDLL("kernel32").Sleep)
    library = ctypes.CDLL(None)
    return _address(library.syscall) if team.FUTEX else 0, _address(library.usleep)


def _clock() -> tuple[int, int]:
    """The address of ``clock_gettime``, 0 where it is not used, and the number of a clock that always goes forward."""
    if sys.platform == "win32" or not hasattr(time, "CLOCK_MONOTONIC"):
        return 0, 0
    return _address(ctypes.CDLL(None).clock_gettime), time.CLOCK_MONOTONIC


def _processor_call() -> Any:
    """The function that returns the core of the calling thread; None where cores cannot be chosen."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    try:
        return ctypes.PyDLL(None).sched_getcpu
    except (OSError, AttributeError):
        return None


_processor = _processor_call()


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


_code: _Code | None = None
_pool: Pool | None = None
_lock = threading.Lock()


def pool() -> Pool:
    """The pool of this process."""
    found = _pool
    return found if found is not None and found.process == os.getpid() else _made()


def _made() -> Pool:
    global _code, _pool
    with _lock:
        if _code is None:
            _code = _Code()
        if _pool is None or _pool.process != os.getpid():
            _pool = Pool(_code)
        return _pool


def _after_fork() -> None:
    """In a forked child: the lock may be another thread's, which the child does not have."""
    global _lock
    _lock = threading.Lock()


def _close() -> None:
    if _pool is not None:
        _pool.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_close)
