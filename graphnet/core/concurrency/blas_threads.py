"""Limits the number of BLAS threads while graphnet computes.

A product that takes less than about 200 µs gains little from a second core, and is slower on a busy machine: OpenBLAS
wakes its pool, and waits until the scheduler has run each worker. So passes of small products run with one thread
(:mod:`graphnet.core.run.thread_policy` decides which), and :func:`threads` sets a limit by hand.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.checks import integer
from graphnet.core.concurrency import blas_libraries
from graphnet.core.concurrency.blas_libraries import Library
from graphnet.core.concurrency.locks import ShortLock
from graphnet.core.concurrency.processors import processors


class BlasThreads:
    """The numbers of threads of the process's BLAS libraries, and the limits that are in force.

    The number of an OpenBLAS belongs to the process and not to a thread, so limits are counted. The first one reads the
    present numbers, the smallest one applies, and the last one to end restores what was read. No number is ever raised
    above what was read, and a number that somebody else has changed meanwhile is not restored. Libraries with a number
    for each thread (MKL, an OpenBLAS on OpenMP) are limited in the thread that enters.

    Parameters
    ----------
    find : callable
        Returns the libraries; called at the first limit, and by :meth:`refresh`.
    """

    def __init__(self, find: Callable[[], tuple[Library, ...]]) -> None:
        self._find = find
        self._found: tuple[Library, ...] | None = None
        self._modules = 0
        self._shared: tuple[Library, ...] = ()
        self._own: tuple[Library, ...] = ()
        # Reentrant: a signal handler or a finalizer may run a pass while this thread holds the lock.
        self._lock = ShortLock()
        # Weak: where an interrupt keeps a limit's __exit__ from running, the limit ends when it is collected.
        self._held: dict[weakref.ref[Limit], int] = {}
        self._least = 0  # the smallest number held
        self._before: list[int] | None = None
        self._present: list[int] = []

    @property
    def libraries(self) -> tuple[Library, ...]:
        """The libraries that can be limited."""
        if self._found is None:
            self._search()
        return self._found or ()

    def refresh(self) -> None:
        """Search for libraries again if modules have been imported since; not while limits are in force."""
        if self._found is None or (len(sys.modules) != self._modules and self._before is None):
            self._search()

    def _search(self) -> None:
        libraries = self._find()
        with self._lock:
            if self._before is None:
                self._shared = tuple(library for library in libraries if not library.own)
                self._own = tuple(library for library in libraries if library.own)
                self._found, self._modules = libraries, len(sys.modules)

    def within(self, threads: int) -> bool:
        """Whether no library uses more threads than these anyway, and no limit is in force that may end before."""
        if self._held:
            return False
        for library in self._found or self.libraries:  # called in every pass: a generator would cost twice as much
            if library.get() > threads:
                break
        else:
            return True
        return False

    def number(self) -> int | None:
        """The number of threads of the libraries outside graphnet's limits, the smallest one; None without any."""
        libraries = self.libraries
        if not libraries:
            return None
        before = self._before
        shared = [library.get() for library in self._shared] if before is None else before
        return max(1, min([*shared, *(library.get() for library in self._own)]))

    def limit(self, threads: int) -> Limit:
        """A context in which no library uses more threads than these; for one entry."""
        return Limit(self, threads)

    # ------------------------------------------------------------------ called by limits
    def acquire(self, limit: Limit) -> None:
        """Put a limit in force."""
        if not self.libraries:
            return
        with self._lock:
            if self._held:
                for reference in [r for r in self._held if r() is None]:  # one whose _end was interrupted
                    self._end(reference)
            limit.reference = weakref.ref(limit, self._end)
            if self._before is None:
                before = [max(1, library.get()) for library in self._shared]
                present = list(before)
            # No call from here to the entry in _held, so that no signal handler runs a pass in between.
            if self._before is None:
                self._before, self._present, self._least = before, present, sys.maxsize
            self._held[limit.reference] = limit.threads
            if limit.threads < self._least:
                self._apply(limit.threads)
        for library in self._own:
            number = library.get()
            if number > limit.threads:
                earlier = library.set(limit.threads)
                limit.changed.append((library, number if earlier is None else earlier))

    def release(self, limit: Limit) -> None:
        """End a limit; nothing happens if it has ended already."""
        while limit.changed:
            library, earlier = limit.changed[-1]
            library.set(earlier)
            limit.changed.pop()
        if limit.reference is not None:
            self._end(limit.reference)
            limit.reference = None  # a reference that is alive calls _end again when the limit is collected

    def after_fork(self) -> None:
        """Begin without limits in a forked child, where the threads that hold them do not exist."""
        self._lock = ShortLock()
        self._held = {}
        self._restore()

    # ------------------------------------------------------------------ inside
    def _end(self, reference: weakref.ref[Limit]) -> None:
        """Take a limit out of force."""
        with self._lock:
            self._held.pop(reference, None)
            if self._held:
                self._apply(min(self._held.values()))
            else:
                self._restore()

    def _apply(self, least: int) -> None:
        """Set the smallest of the limits where a library has another number."""
        self._least = least
        for i, (library, before) in enumerate(zip(self._shared, self._before or (), strict=True)):
            wanted = min(before, least)
            if wanted != self._present[i]:
                self._present[i] = wanted
                library.set(wanted)

    def _restore(self) -> None:
        """Set the numbers that were read before the first limit, unless somebody else has set others."""
        if self._before is None:
            return
        for library, before, present in zip(self._shared, self._before, self._present, strict=True):
            if present != before and library.get() == present:
                library.set(before)
        self._before = None


class Limit:
    """A limit, in force inside its ``with`` block; see :class:`BlasThreads`."""

    __slots__ = ("__weakref__", "_owner", "changed", "reference", "threads")

    def __init__(self, owner: BlasThreads, threads: int) -> None:
        self._owner, self.threads = owner, threads
        self.reference: weakref.ref[Limit] | None = None
        #: The thread's own numbers that were changed, and what restores them.
        self.changed: list[tuple[Library, int]] = []

    def __enter__(self) -> None:
        try:
            self._owner.acquire(self)
        except BaseException:
            self._owner.release(self)
            raise

    def __exit__(self, *error: object) -> None:
        try:
            self._owner.release(self)
        except BaseException:  # an interrupt on the way: release again, which is harmless, so that nothing stays
            self._owner.release(self)
            raise


#: The libraries of this process.
PROCESS = BlasThreads(blas_libraries.find)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PROCESS.after_fork)

_allowed: ContextVar[int | None] = ContextVar("graphnet.threads", default=None)
_UNLIMITED: AbstractContextManager[Any] = nullcontext()


def limited(threads: int | None) -> AbstractContextManager[Any]:
    """A context in which the BLAS uses at most this many threads, and at most what :func:`threads` allows.

    Parameters
    ----------
    threads : int or None
        None: only what :func:`threads` allows, if anything.
    """
    return limit_for(threads) or _UNLIMITED


def limit_for(threads: int | None) -> Limit | None:
    """The same as :func:`limited`, but None where no limit is needed."""
    allowed = _allowed.get()
    if allowed is not None:
        threads = allowed if threads is None else min(threads, allowed)
    return None if threads is None or PROCESS.within(threads) else Limit(PROCESS, threads)


def allowed_threads(everywhere: bool = False) -> int:
    """The number of threads that a pass may use: what BLAS, processors and the blocks of :func:`threads` allow.

    Parameters
    ----------
    everywhere : bool
        Without the blocks of :func:`threads`, which hold for a part of the program.
    """
    number = PROCESS.number()
    found = processors() if number is None else min(number, processors())
    block = None if everywhere else _allowed.get()
    return found if block is None else min(found, block)


@explained
def threads(n: int) -> AbstractContextManager[None]:
    """Let graphnet's passes inside the block use at most ``n`` BLAS threads.

    The block belongs to the present context (:mod:`contextvars`): to this thread, or this asyncio task. Tasks that are
    started inside it inherit it, and so does ``asyncio.to_thread``; a ``threading.Thread`` does not. The limit is that
    of forward and backward passes and of training, whatever model they belong to; a product of your own inside the
    block uses as many threads as before. ``n`` is an upper bound: it never raises the number that the process has
    (from ``OPENBLAS_NUM_THREADS``, threadpoolctl or the number of cores), passes of small products use one thread all
    the same, and of nested blocks the smallest number applies.

    While a pass runs, the limit holds for every thread of the process if the BLAS has one number for all threads, as
    OpenBLAS has.

    Parameters
    ----------
    n : int, at least 1

    Raises
    ------
    ConfigError
        If ``n`` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import FullyConnected
    >>> layer = FullyConnected(3, 2)
    >>> with threads(1):
    ...     layer.forward(np.ones((4, 3))).shape
    (4, 2)
    """
    return _limited(integer("graphnet.threads", "n", n, 1))


@contextmanager
def _limited(number: int) -> Iterator[None]:
    allowed = _allowed.get()
    token = _allowed.set(number if allowed is None else min(number, allowed))
    try:
        yield
    finally:
        _allowed.reset(token)
