"""The locks of the core, the identity of threads, and the handling of both in forked children.

``lock`` guards short sections that call no other code (a list, a counter); ``building`` guards what is created once
(weights, compiled programs). A thread that holds ``lock`` never waits for another lock. All are reentrant: a signal
handler or a finalizer may run in the middle of a section and call graphnet. They are module globals, not attributes of
objects, so that runners, layers and models can be copied and pickled.

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
from typing import Any

#: Seconds that a thread sleeps when a lock is held by a thread that was interrupted in a short section.
PAUSE = 5e-5


class ShortLock(type(threading.RLock())):  # type: ignore[misc]  # the class has no public name
    """A reentrant lock for sections of a few bytecodes, which waits by trying again.

    A thread that waits in ``RLock.acquire`` receives the lock while it does not have the interpreter. The running
    thread then finds the lock taken, waits in turn, and so on: after the first collision, every section costs a thread
    switch. Here, only a running thread ever takes the lock.
    """

    __slots__ = ()

    def acquire(self, blocking: bool = True) -> bool:
        """Take the lock; without ``blocking`` only if it is free, or the thread's own. Returns whether it was taken."""
        taken: bool = _try(self, False)
        while blocking and not taken:
            time.sleep(PAUSE)
            taken = _try(self, False)
        return taken

    def __enter__(self) -> bool:
        return _try(self, False) or self.acquire()


_try = ShortLock.__mro__[1].acquire


#: Guards short sections; read it as ``locks.lock``, because a forked child may replace it.
lock = ShortLock()
#: Guards what is created once: weights at a first input, bindings and programs.
building = threading.RLock()
#: Guards calls of layers that are not graphnet's and may keep anything on themselves.
foreign_layers = threading.RLock()

_numbers = itertools.count(1)


class Thread(threading.local):
    """``number`` is a number of the calling thread that no later thread receives, unlike ``threading.get_ident``."""

    def __init__(self) -> None:
        self.number = next(_numbers)


thread = Thread()


def this_thread() -> int:
    """The number of the calling thread; see :class:`Thread`."""
    return thread.number


def in_child(function: Callable[[], None]) -> None:
    """Call ``function`` in every forked child, where the platform has ``os.fork``."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def usable(held: Any) -> bool:
    """Whether the calling thread can take a lock at once: it is free, or its own."""
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
        gc.enable()  # a compilation in a thread that the child does not have had disabled it


in_child(_renew)
