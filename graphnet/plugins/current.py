"""The manager in use: loaded when it is first asked for, and replaceable for a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphnet.plugins.manager import PluginManager

_stack: list[PluginManager] = []


def manager() -> PluginManager:
    """The manager in use; the first call loads all installed plugins that the environment allows."""
    if not _stack:
        loaded = PluginManager()
        loaded.load()
        _stack.append(loaded)
    return _stack[-1]


@contextmanager
def using(replacement: PluginManager) -> Iterator[PluginManager]:
    """Make ``replacement`` the manager in use inside the block.

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
