"""The current plugin manager: loaded when it is first used, and replaceable for a block.

A process has one default manager, shared by all threads. Loading imports modules, and an import may wait for another
thread, so no lock is held while plugins load: other threads wait for an event, unless that could be a deadlock.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

from graphnet.core.concurrency import locks
from graphnet.plugins.manager import PluginManager

#: The file name of the import system in frames.
IMPORT = "<frozen importlib._bootstrap>"
#: Seconds between two polls of the loading thread.
POLL = 0.02
#: Polls without progress after which the thread counts as stuck: while it waits for another thread, and elsewhere.
WAITING, STILL = 10, 500


class _Loading:
    """A manager that a thread is loading."""

    def __init__(self) -> None:
        self.manager = PluginManager()
        self.thread = threading.get_ident()
        self.ended = threading.Event()

    def wait(self) -> bool:
        """Wait until loading has ended; return False if that could be a deadlock."""
        previous: object = None
        count = 0
        while not _importing() and not self.ended.wait(POLL):
            frame = sys._current_frames().get(self.thread)
            position = None if frame is None else (id(frame), frame.f_lasti)
            count = count + 1 if position == previous else 0
            previous = position
            if count >= (WAITING if _waits(frame) else STILL):
                break
        return self.ended.is_set()


def _waits(frame: FrameType | None) -> bool:
    """Whether a thread waits for another one: for a lock, an event, the end of a thread, or an import."""
    if frame is None:
        return True
    code = frame.f_code
    return code.co_filename == threading.__file__ or (code.co_filename == IMPORT and code.co_name == "acquire")


_default: PluginManager | None = None
_loading: _Loading | None = None
_scoped: ContextVar[PluginManager | None] = ContextVar("graphnet plugins", default=None)


def manager() -> PluginManager:
    """Return the current manager; the first call loads all installed plugins that the environment allows.

    While one thread loads the plugins, another thread that calls this waits until they are loaded. It returns the
    partly loaded manager instead if waiting could be a deadlock: if the calling thread is importing a module, which the
    loading thread may need; if the loading thread has waited for another thread, which may be this one, for 0.2 s; or
    if it has made no progress for 10 s. A plugin that calls this while it is imported gets the partly loaded manager.
    """
    scoped = _scoped.get()
    while scoped is None and _default is None:
        loading, is_loader = _begin()
        if is_loader:
            _load(loading)
        elif loading.thread == threading.get_ident() or not loading.wait():
            return loading.manager
    current = scoped or _default
    assert current is not None
    return current


def scoped() -> PluginManager | None:
    """Return the manager that ``using`` has made the current one; None outside such a block."""
    return _scoped.get()


def _begin() -> tuple[_Loading, bool]:
    """Return the loading in progress, and whether the caller started it and must carry it out."""
    global _loading
    with locks.lock:
        is_loader = _loading is None
        if _loading is None:
            _loading = _Loading()
        return _loading, is_loader


def _load(loading: _Loading) -> None:
    global _default, _loading
    try:
        loading.manager.load()
        _default = loading.manager
    finally:
        _loading = None
        loading.ended.set()


def _importing() -> bool:
    """Whether the calling thread is importing a module."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != IMPORT:
        frame = frame.f_back
    return frame is not None


@contextmanager
def using(replacement: PluginManager) -> Iterator[PluginManager]:
    """Make ``replacement`` the current manager inside the block, in this thread or asyncio task.

    Examples
    --------
    >>> other = PluginManager()
    >>> with using(other):
    ...     manager() is other
    True
    """
    token = _scoped.set(replacement)
    try:
        yield replacement
    finally:
        _scoped.reset(token)


def _only_own() -> None:
    """In a forked child, forget the loading of a thread of the parent; the plugins load again when they are needed."""
    global _loading
    if _loading is not None and _loading.thread != threading.get_ident():
        _loading = None


locks.in_child(_only_own)
