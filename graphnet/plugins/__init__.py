"""Plugins: the extension contract (``hookspecs``), loading (``manager``) and the registered objects (``registry``)."""

from graphnet.plugins.current import manager, using
from graphnet.plugins.hookspecs import hookimpl
from graphnet.plugins.manager import PluginManager
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Entry, Registry

__all__ = ["Entry", "Plugin", "PluginManager", "Registry", "hookimpl", "manager", "using"]
