"""Calling the hooks of one plugin, after checking that they are hooks."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from graphnet.core.checks import is_python_int
from graphnet.core.errors import PluginError, unknown
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
    _check_api(module, record)
    host = pluggy.PluginManager(hookspecs.PROJECT)
    host.add_hookspecs(hookspecs)
    _check_arguments(module)
    host.register(module, name=record.name)
    _check(module, host)
    found: list[Entry] = []
    for hook, kind in hookspecs.KINDS.items():
        collector = Collector(kind, record, found)
        _check_returned(hook, getattr(host.hook, hook)(register=collector))
        collector.open = False
    return found


def _check_api(module: object, record: Plugin) -> None:
    """Refuse a plugin that needs a newer contract of hooks, before any of its hooks is called."""
    needed = getattr(module, hookspecs.NEEDED, 1)
    if not is_python_int(needed, 1):
        raise PluginError(
            f"{hookspecs.NEEDED} is no version", where=record.distribution, expected="1, 2, …", received=repr(needed)
        )
    if needed > hookspecs.API:
        raise PluginError(
            "written for a newer graphnet",
            where=record.distribution,
            expected=f"hooks of version {needed}",
            received=f"version {hookspecs.API} of this graphnet",
            remedy="Upgrade graphnet: pip install --upgrade graphnet",
        )


def _check_arguments(module: object) -> None:
    """Refuse hooks that ask for arguments which this version of the contract does not give."""
    for name in hookspecs.KINDS:
        hook = getattr(module, name, None)
        if not inspect.isfunction(hook) or not hasattr(hook, f"{hookspecs.PROJECT}_impl"):
            continue
        required = [p for p in inspect.signature(hook).parameters.values() if p.default is p.empty]
        unknown = [p.name for p in required if p.name != "register" and p.kind is not p.VAR_KEYWORD]
        if unknown:
            raise PluginError(
                f"{name} asks for {', '.join(unknown)}",
                expected=f"{name}(register), version {hookspecs.API} of the hooks",
                received=f"{name}{inspect.signature(hook)}",
            )


def _check(module: object, host: pluggy.PluginManager) -> None:
    """Refuse functions that look like hooks and are none: a misspelt name, or a missing ``@hookimpl``."""
    marked = {hook.name for hook in host.get_hookcallers(module) or []}
    for name in dir(module):
        if not name.startswith("graphnet_") or not callable(getattr(module, name)):
            continue
        if name not in hookspecs.KINDS:
            problem = f"{name} is not a hook of graphnet"
            raise unknown("hook", name, hookspecs.KINDS, problem=problem, error=PluginError)
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
