"""The manager in use: loaded when it is first asked for, and replaceable for a block.

A process has one default manager, which its threads share. Loading imports modules, and an import may wait for another
thread, so no lock is held in the meantime: threads that ask wait for an event, unless waiting could last for ever.
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

#: The import system's file, as frames name it.
IMPORT = "<frozen importlib._bootstrap>"
#: Seconds between two looks at the loading thread.
LOOK = 0.02
#: Looks in a row after which it counts as stuck: in a function that waits for another thread, and in any other place.
WAITING, STILL = 10, 500


class _Loading:
    """A manager that a thread is loading."""

    def __init__(self) -> None:
        self.manager = PluginManager()
        self.thread = threading.get_ident()
        self.ended = threading.Event()

    def wait(self) -> bool:
        """Wait until loading has ended; False where that could last for ever."""
        seen: object = None
        count = 0
        while not _importing() and not self.ended.wait(LOOK):
            frame = sys._current_frames().get(self.thread)
            now = None if frame is None else (id(frame), frame.f_lasti)
            count = count + 1 if now == seen else 0
            seen = now
            if count >= (WAITING if _waits(frame) else STILL):
                break
        return self.ended.is_set()


def _waits(frame: FrameType | None) -> bool:
    """Whether a thread is where it waits for another one: for a lock, an event, an end, or an import."""
    if frame is None:
        return True
    code = frame.f_code
    return code.co_filename == threading.__file__ or (code.co_filename == IMPORT and code.co_name == "acquire")


_default: PluginManager | None = None
_loading: _Loading | None = None
_scoped: ContextVar[PluginManager | None] = ContextVar("graphnet plugins", default=None)


def manager() -> PluginManager:
    """Return the manager in use; the first call loads all installed plugins that the environment allows.

    A thread that asks while another one is loading waits until that has ended. It does not wait, and gets the manager
    as far as it is loaded, if waiting could last for ever: if the thread is importing a module (which the loading
    thread may need), or if the loading thread has been waiting for another thread (which may be this one) for 0.2 s, or
    has not moved at all for 10 s. A plugin that asks while it is imported gets the same.
    """
    scoped = _scoped.get()
    while scoped is None and _default is None:
        loading, own = _begin()
        if own:
            _load(loading)
        elif loading.thread == threading.get_ident() or not loading.wait():
            return loading.manager
    found = scoped or _default
    assert found is not None
    return found


def _begin() -> tuple[_Loading, bool]:
    """The loading under way, and whether the caller has begun it and must carry it out."""
    global _loading
    with locks.lock:
        own = _loading is None
        if _loading is None:
            _loading = _Loading()
        return _loading, own


def _load(loading: _Loading) -> None:
    global _default, _loading
    try:
        loading.manager.load()
        _default = loading.manager
    finally:
        _loading = None
        loading.ended.set()


def _importing() -> bool:
    """Whether the calling thread is in the middle of an import."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != IMPORT:
        frame = frame.f_back
    return frame is not None


@contextmanager
def using(replacement: PluginManager) -> Iterator[PluginManager]:
    """Make ``replacement`` the manager in use inside the block, in this thread or asyncio task.

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
    """In a forked child: what another thread was loading is loaded again when it is needed."""
    global _loading
    if _loading is not None and _loading.thread != threading.get_ident():
        _loading = None


locks.in_child(_only_own)
