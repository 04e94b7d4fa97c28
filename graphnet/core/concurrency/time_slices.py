"""A lock with time slices, which threads hold while they run small programs.

CPython runs one thread at a time, but a BLAS product releases the interpreter, and another thread takes it. In a
program of small products this happens in every step, and costs more than the products: without the lock, eight threads
that predict with a small LSTM use two to three times the processor time of one. So a thread that runs one small program
after the other keeps the lock for a time slice, while the others sleep; a thread that runs a single one releases it at
once. Only numpy calls run while it is held, so it is always released. Programs with large products do not take it: they
run on as many cores as there are.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from graphnet.core.concurrency import locks

#: A program is small if its largest product (in its loops, if it has any) has at most this many multiply-adds: about
#: 50 microseconds.
SMALL = 2**19
#: Seconds for which a thread keeps the lock while others wait.
SLICE = 0.01
#: A thread keeps its slice between two programs if they are at most this many seconds apart.
GAP = 0.001
#: Seconds after which the first thread in the queue checks whether the owner still runs programs.
LOOK = 0.01
#: Seconds after the end of a slice from which on the lock is taken from its owner.
LATE = 0.1


class NoLock:
    """The lock of large programs: none."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def rest(self) -> None:
        """Do nothing."""


class TimeSliceLock(NoLock):
    """A reentrant lock that prefers the thread that had it last, for a time slice.

    Results do not depend on it, so no thread waits for it indefinitely: the first thread in the queue checks now and
    then, and takes the lock from an owner that kept it between two programs and does not return, or that has exceeded
    its slice by far. The others sleep until they are first.
    """

    def __init__(self) -> None:
        self._owner = 0
        self._depth = 0
        self._end = 0.0
        self._queue: deque[tuple[int, threading.Lock]] = deque()
        self._left = threading.local()

    def __enter__(self) -> None:
        me, now = threading.get_ident(), time.monotonic()
        with locks.lock:
            if self._owner == me:
                self._depth += 1
                return
            if not self._owner:
                self._owner, self._depth, self._end = me, 1, now + SLICE
                return
        self._wait(me)
        self._left.time = getattr(self._left, "time", 0.0) + time.monotonic() - now  # waiting does not count

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        now = time.monotonic()
        before, self._left.time = getattr(self._left, "time", 0.0), now
        with locks.lock:
            if self._owner != threading.get_ident():
                return
            self._depth -= 1
            if not self._depth and not self._queue:
                self._owner = 0
            elif not self._depth and (now >= self._end or now - before > GAP):
                self._next(now)

    def rest(self) -> None:
        """Between two blocks of a long program: release the lock to waiting threads if the slice has ended."""
        if self._queue and self._depth == 1 and time.monotonic() >= self._end:
            self.__exit__(None, None, None)
            self.__enter__()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Inside the block, which waits for other threads, they may run small programs."""
        me = threading.get_ident()
        with locks.lock:
            mine = self._owner == me
            depth, self._depth = (self._depth, 0) if mine else (0, self._depth)
            if mine and self._queue:
                self._next(time.monotonic())
            elif mine:
                self._owner = 0
        try:
            yield
        finally:
            if depth:
                self.__enter__()
                with locks.lock:
                    self._depth = depth

    def _wait(self, me: int) -> None:
        """Sleep until this thread has the lock."""
        place = (me, threading.Lock())
        place[1].acquire()
        try:
            with locks.lock:
                self._queue.append(place)
            while (pause := self._pause(place)) is not None:
                place[1].acquire(timeout=pause)
        except BaseException:
            with locks.lock:
                if place in self._queue:
                    self._queue.remove(place)
                self._wake_first()
            raise

    def _pause(self, place: tuple[int, threading.Lock]) -> float | None:
        """Seconds to sleep, -1 until woken; None if this thread has the lock."""
        now = time.monotonic()
        with locks.lock:
            first = bool(self._queue) and self._queue[0] is place
            if first and (not self._depth or now > self._end + LATE):
                self._next(now)
            if place not in self._queue:
                return None
            return LOOK if first else -1

    def _next(self, now: float) -> None:
        """Give the lock to the first thread in the queue; the next one becomes the first."""
        (self._owner, gate), self._depth, self._end = self._queue.popleft(), 1, now + SLICE
        _wake(gate)
        self._wake_first()

    def _wake_first(self) -> None:
        if self._queue:
            _wake(self._queue[0][1])


def _wake(gate: threading.Lock) -> None:
    """Wake the thread that sleeps at a gate, unless it was woken already."""
    if gate.locked():
        gate.release()


SMALL_PROGRAMS, NO_LOCK = TimeSliceLock(), NoLock()


def lock_for(multiply_adds: int) -> NoLock:
    """The lock that a program holds while it runs, from the multiply-adds of its largest product."""
    return SMALL_PROGRAMS if multiply_adds <= SMALL else NO_LOCK


def _renew() -> None:
    """In a forked child: no other thread has the lock, and none waits."""
    if SMALL_PROGRAMS._owner != threading.get_ident():
        SMALL_PROGRAMS._owner = SMALL_PROGRAMS._depth = 0
    SMALL_PROGRAMS._queue.clear()


locks.in_child(_renew)
