"""Calling the hooks of one plugin, after checking that they are hooks."""

from __future__ import annotations

from typing import Any

import pluggy

from graphnet.core.errors import PluginError, nearest
from graphnet.plugins import hookspecs
from graphnet.plugins.collector import Collector
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Entry


def call(module: object, record: Plugin) -> list[Entry]:
    """What the hooks of a plugin register.

    Raises
    ------
    PluginError
        For a misspelt hook, one that is not marked, or one that returns something; and whatever the hooks raise.
    """
    host = pluggy.PluginManager(hookspecs.PROJECT)
    host.add_hookspecs(hookspecs)
    host.register(module, name=record.name)
    _check(module, host)
    found: list[Entry] = []
    for hook, kind in hookspecs.KINDS.items():
        collector = Collector(kind, record, found)
        _check_returned(hook, getattr(host.hook, hook)(register=collector))
        collector.open = False
    return found


def _check(module: object, host: pluggy.PluginManager) -> None:
    """Refuse functions that look like hooks and are none: a misspelt name, or a missing ``@hookimpl``."""
    marked = {hook.name for hook in host.get_hookcallers(module) or []}
    for name in dir(module):
        if not name.startswith("graphnet_") or not callable(getattr(module, name)):
            continue
        if name not in hookspecs.KINDS:
            raise PluginError(
                f"{name} is no hook of graphnet",
                expected="one of " + ", ".join(hookspecs.KINDS),
                received=name,
                remedy=nearest(name, hookspecs.KINDS) or None,
            )
        if name not in marked:
            raise PluginError(
                f"{name} is not marked as a hook", expected="@hookimpl above it", received="a plain function"
            )
    host.check_pending()


def _check_returned(hook: str, returned: list[Any]) -> None:
    """Refuse what hooks returned: nobody registers a list of layers, nor runs a generator or a coroutine."""
    for value in returned:  # pluggy leaves out None
        if hasattr(value, "close"):
            value.close()
        raise PluginError(
            f"{hook} returned something",
            expected="calls of register, and nothing returned",
            received=type(value).__name__,
            remedy="Call register(…) for each object.",
        )
