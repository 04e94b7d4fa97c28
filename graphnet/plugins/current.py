"""The manager in use: loaded when it is first asked for, and replaceable for a block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from graphnet.plugins.manager import PluginManager

_stack: list[PluginManager] = []
_loading = threading.RLock()  # a plugin may ask for the manager while it is imported


def manager() -> PluginManager:
    """The manager in use; the first call loads all installed plugins that the environment allows."""
    with _loading:
        if not _stack:
            _stack.append(PluginManager())
            try:
                _stack[-1].load()
            except BaseException:
                _stack.clear()
                raise
        return _stack[-1]


@contextmanager
def using(replacement: PluginManager) -> Iterator[PluginManager]:
    """Make ``replacement`` the manager in use inside the block, for all threads.

    Examples
    --------
    >>> other = PluginManager()
    >>> with using(other):
    ...     manager() is other
    True
    """
    _stack.append(replacement)
    try:
        yield replacement
    finally:
        _stack.reverse()
        _stack.remove(replacement)
        _stack.reverse()
