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
from graphnet_native.engine import Engine, vector_bytes, version
from graphnet_native.ir import Module

#: More workers than any machine has cores for a Scan.
MOST = 256
#: Seconds for which a thread looks for the others within a task, and for a next task, before it sleeps.
WITHIN, BETWEEN = 50e-6, 200e-6
#: A worker that naps because there is no futex: microseconds, or milliseconds on Windows.
NAP = 1 if sys.platform == "win32" else 50
#: Sleeps in one task from which on threads are taken to lack cores, and the most tasks that then run alone.
SLEEPS, REST = 2, 64
#: Seconds that the end of the process waits for a task of another thread.
PATIENCE = 2.0

_RUN = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4)


class _Code:
    """The compiled functions, once a process."""

    def __init__(self) -> None:
        self.engine = Engine(team.code(Module(vector_bytes(), version())))
        self.run = ctypes.CFUNCTYPE(None, *_RUN)(self.engine.address("team_run"))
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
        self._lock = threading.Lock()
        self._closed = False
        self._rest = self._next_rest = 0
        address, nap = _sleeping()
        for i, value in enumerate((address, team.FUTEX, nap, NAP, int(WITHIN * code.looks), int(BETWEEN * code.looks))):
            self._word(team.SETTINGS + 8 * i).value = value
        self._slept = self._word(team.SLEPT)

    def _word(self, offset: int) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self.team + offset)

    @property
    def counts(self) -> tuple[int, int]:
        """The tasks so far that were shared, and those that ran alone."""
        return self._word(team.SHARED).value, self._word(team.ALONE).value

    def run(self, function: int, table: int, start: int, stop: int, origin: int, workers: int) -> None:
        """Run a task with up to that number of workers, the calling thread included.

        Where threads of a task had to sleep, they share a core, or other processes need the cores. So workers are moved
        away from the caller's core, and the next tasks run alone, more and more of them while that lasts.
        """
        if workers > 1 and self._rest:
            self._rest -= 1
            workers = 1
        if workers > len(self._threads) + 1:
            workers = self._start(workers)
        before = self._slept.value
        self.code.run(self.team, function, table, start, stop, origin, workers)
        if workers > 1:
            if self._slept.value - before >= SLEEPS:
                self._spread()
                self._rest, self._next_rest = self._next_rest, min(REST, 2 * self._next_rest or 1)
            elif self._next_rest:
                self._next_rest //= 2

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
            while not self._closed and len(self._threads) + 1 < min(wanted, MOST):
                number = len(self._threads)
                mailbox = self.team + team.MAILBOX + number * team.MAILBOX_BYTES
                ctypes.c_int64.from_address(mailbox + 72).value = number + 1
                name = f"graphnet-native-{number + 1}"
                thread = threading.Thread(target=self._work, args=(mailbox,), name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # at the end of the interpreter, in an isolated one, or beyond a limit
                    self._closed = True
                    break
                self._threads.append(thread)
            return min(wanted, len(self._threads) + 1)

    def _work(self, mailbox: int) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for threads that can be interrupted
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.code.worker(self.team, mailbox)

    def close(self) -> None:
        """End the workers; tasks run alone from then on."""
        with self._lock:
            self._closed, threads = True, list(self._threads)
        if not threads or self.process != os.getpid():
            return
        busy, until = ctypes.c_int32.from_address(self.team + team.BUSY), time.monotonic() + PATIENCE
        while busy.value:  # a task of another thread, which ends by itself
            if time.monotonic() > until:
                return
            time.sleep(0.001)
        self.code.end(self.team, len(threads))
        for thread in threads:
            thread.join(PATIENCE)


def _sleeping() -> tuple[int, int]:
    """The addresses of ``syscall``, 0 where it is not used, and of a function that sleeps for a while."""
    if sys.platform == "win32":
        return 0, _address(ctypes.WinDLL("kernel32").Sleep)
    library = ctypes.CDLL(None)
    return _address(library.syscall) if team.FUTEX else 0, _address(library.usleep)


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
