"""Calling the hooks of one plugin, after checking that they are hooks."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from graphnet.core.checks import is_python_int
from graphnet.core.distribution import NAME
from graphnet.core.errors import PluginError, unknown
from graphnet.plugins import hookspecs
from graphnet.plugins.collector import Collector
from graphnet.plugins.hookspecs import KINDS
from graphnet.plugins.installing import how_to_install
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Entry


def call(module: object, plugin: Plugin) -> list[Entry]:
    """Call the hooks of a plugin, and return what they register.

    Raises
    ------
    PluginError
        For a misspelt hook, one that is not marked, or one that returns a value; errors of the hooks pass through.
    """
    _check_api(module, plugin)
    host = pluggy.PluginManager(hookspecs.PROJECT)
    host.add_hookspecs(hookspecs)
    _check_arguments(module)
    host.register(module, name=plugin.name)
    _check_names(module, host)
    entries: list[Entry] = []
    for kind in KINDS.values():
        collector = Collector(kind, plugin, entries)
        _check_returned(kind.hook, getattr(host.hook, kind.hook)(register=collector))
        collector.open = False
    return entries


def _check_api(module: object, plugin: Plugin) -> None:
    """Refuse a plugin that needs a newer version of the contract, before any of its hooks is called."""
    needed = getattr(module, hookspecs.NEEDED, 1)
    if not is_python_int(needed, 1):
        raise PluginError(
            f"{hookspecs.NEEDED} must be a positive integer", where=plugin.distribution, received=repr(needed)
        )
    if needed > hookspecs.API:
        raise PluginError(
            "written for a newer graphnet",
            where=plugin.distribution,
            expected=f"hooks of version {needed}",
            received=f"version {hookspecs.API} of this graphnet",
            remedy=f"Install a newer graphnet {how_to_install(NAME)}",
        )


def _check_arguments(module: object) -> None:
    """Refuse hooks with arguments that this version of the contract does not pass."""
    for kind in KINDS.values():
        function = getattr(module, kind.hook, None)
        if not inspect.isfunction(function) or not hasattr(function, f"{hookspecs.PROJECT}_impl"):
            continue
        required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        unknown_arguments = [p.name for p in required if p.name != "register" and p.kind is not p.VAR_KEYWORD]
        if unknown_arguments:
            raise PluginError(
                f"{kind.hook} has the unknown argument {', '.join(unknown_arguments)}",
                expected=f"{kind.hook}(register), version {hookspecs.API} of the hooks",
                received=f"{kind.hook}{inspect.signature(function)}",
            )


def _check_names(module: object, host: pluggy.PluginManager) -> None:
    """Refuse functions that look like hooks and are not: a misspelt name, or a missing ``@hookimpl``."""
    marked = {caller.name for caller in host.get_hookcallers(module) or []}
    hooks = [kind.hook for kind in KINDS.values()]
    for name in dir(module):
        if not name.startswith("graphnet_") or not callable(getattr(module, name)):
            continue
        if name not in hooks:
            raise unknown("hook", name, hooks, problem=f"{name} is not a hook of graphnet", error=PluginError)
        if name not in marked:
            raise PluginError(
                f"{name} is not marked as a hook", expected="@hookimpl above it", received="a plain function"
            )
    host.check_pending()


def _check_returned(hook: str, returned: list[Any]) -> None:
    """Refuse returned values: a list of layers would be ignored, and a generator or a coroutine would not run."""
    for value in returned:  # pluggy leaves out None
        if hasattr(value, "close"):
            value.close()
        raise PluginError(
            f"{hook} returned a value",
            expected="calls of register, and no return value",
            received=type(value).__name__,
            remedy="Call register(…) for each object.",
        )
