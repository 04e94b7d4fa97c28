"""The locks of the core, the identity of a thread, and what a forked child does with both.

Two locks do almost everything. ``lock`` guards short sections that call nobody (a list, a counter); ``building``
guards what is made once (weights, compiled programs). A thread that holds ``lock`` never waits for another one. All are
reentrant: a signal handler or a finalizer may run in the middle of a section and call graphnet. They are module
globals, not attributes of objects, so that runners, layers and models can be copied and pickled.

A child process inherits locks in the state in which ``os.fork`` found them, and only the forking thread. Locks that
another thread held are replaced in the child.
"""

from __future__ import annotations

import gc
import itertools
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

#: Seconds that a thread sleeps when it finds a lock held by one that was interrupted in a short section.
PAUSE = 5e-5


class ShortLock:
    """A reentrant lock for sections of a few bytecodes, which waits by trying again.

    A thread that waits in ``RLock.acquire`` receives the lock while it does not have the interpreter. The thread that
    has it then finds the lock taken a moment later, waits in turn, and so on: from the first collision on, every
    section costs a switch of threads. Here, only a thread that is running ever takes the lock.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def acquire(self, blocking: bool = True) -> bool:
        """Take the lock; without ``blocking`` only if it is free, or the thread's own. Returns whether it was taken."""
        taken = self._lock.acquire(blocking=False)
        while blocking and not taken:
            time.sleep(PAUSE)
            taken = self._lock.acquire(blocking=False)
        return taken

    def release(self) -> None:
        """Release it."""
        self._lock.release()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


#: Guards short sections; read it as ``threads.lock``, because a forked child may replace it.
lock = ShortLock()
#: Guards what is made once: weights at a first input, bindings and programs.
building = threading.RLock()
#: Guards calls of layers that are not graphnet's, which keep what they like on themselves.
foreign_layers = threading.RLock()

_local = threading.local()
_numbers = itertools.count(1)


def this_thread() -> int:
    """A number of the calling thread that no later thread receives, unlike ``threading.get_ident``."""
    try:
        number: int = _local.number
    except AttributeError:
        number = _local.number = next(_numbers)
    return number


def in_child(function: Callable[[], None]) -> None:
    """Call ``function`` in every forked child, where the platform has ``os.fork``."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def usable(held: Any) -> bool:
    """Whether the calling thread can enter a lock at once: it is free, or its own."""
    if held.acquire(blocking=False):
        held.release()
        return True
    return False


def _renew() -> None:
    global lock, building, foreign_layers
    if not usable(lock):
        lock = ShortLock()
    if not usable(foreign_layers):
        foreign_layers = threading.RLock()
    if not usable(building):
        building = threading.RLock()
        gc.enable()  # a compilation of a thread that the child does not have had turned it off


in_child(_renew)
