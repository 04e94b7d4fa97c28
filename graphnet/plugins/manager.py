"""Loading plugins: explicit, isolated, in a fixed order."""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext

from graphnet.core.distribution import NAME, VERSION, canonical
from graphnet.core.errors import PluginError, StateError, did_you_mean
from graphnet.core.garbage import gc_deferred
from graphnet.core.signal_exit import SignalExit
from graphnet.plugins import discovery, hooks, versions
from graphnet.plugins.discovery import Allowed, PluginEntryPoint
from graphnet.plugins.guard import SLOW, Host
from graphnet.plugins.installing import how_to_install, owners_note
from graphnet.plugins.isolation.code import top
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Registry

#: The plugin that registers graphnet's own objects. It imports most of graphnet, so nothing imports it.
BUILTIN = "graphnet.plugins.builtin"


class PluginManager:
    """Loads plugins into its registry; a plugin that fails is reported and registers nothing.

    Attributes
    ----------
    registry : Registry
        The objects that the loaded plugins registered.
    plugins : list of Plugin
        One record for each plugin, in the order of loading.
    not_installed : list of str
        The names that were to be loaded and are not installed; each has a record in ``plugins`` too.

    Examples
    --------
    >>> manager = PluginManager()
    >>> manager.load(allow=())
    >>> [plugin.name for plugin in manager.plugins if plugin.status == "loaded"]
    ['builtin']
    >>> manager.registry.get("layers", "FullyConnected").id
    'graphnet-framework/FullyConnected'
    """

    def __init__(self) -> None:
        self.registry = Registry()
        self.plugins: list[Plugin] = []
        self.not_installed: list[str] = []
        self._loaded = False

    def copy(self) -> PluginManager:
        """Return a manager with the same plugins and objects; what is registered with one is not in the other."""
        other = PluginManager()
        other.registry, other.plugins = self.registry.copy(), list(self.plugins)
        other.not_installed, other._loaded = list(self.not_installed), self._loaded
        return other

    def load(self, allow: Collection[str] | None = None) -> None:
        """Load graphnet's own objects, then the installed plugins in the order of distribution and entry point.

        Parameters
        ----------
        allow : collection of str, optional
            Names of distributions or entry points to load; the others are listed as skipped. A name after a ``-`` is
            excluded. None: the value of the environment variable GRAPHNET_PLUGINS ("none", or such names separated by
            commas); all plugins if it is not set.

        Raises
        ------
        StateError
            If the plugins are already loaded.
        """
        if self._loaded:
            raise StateError("the plugins are already loaded", remedy="Make another PluginManager.")
        self._loaded = True
        with gc_deferred():
            self._load_all(allow)

    def _load_all(self, allow: Collection[str] | None) -> None:
        self._register_own()
        allowed = discovery.allowed(None if allow is None else ",".join(allow) or "none")
        points = discovery.installed()
        self._report_missing(allowed, points)
        self._load_points(points, allowed)

    def _load_points(self, points: list[PluginEntryPoint], allowed: Allowed) -> None:
        admitted = [point for point in points if allowed.admits(point.name, point.distribution)]
        host = self._host({top(point.module): point.distribution for point in admitted}) if admitted else None
        owners = _owners_of_names(admitted)
        with nullcontext() if host is None else host.session():
            for point in points:
                self._load_point(point, allowed, owners, host)
        if host is not None:
            host.finish((entry for plugin in self.plugins for entry in plugin.entries), self.plugins)

    def load_announced(self, points: list[PluginEntryPoint]) -> None:
        """Load the plugins of these entry points alone, as far as GRAPHNET_PLUGINS allows.

        graphnet's own objects are absent. A plugin that is named by several entry points loads once. None of them ends
        the process or raises an error.
        """
        self._loaded = True
        first = {(point.distribution, point.module): point for point in reversed(points)}
        self._load_points(list(reversed(first.values())), discovery.allowed())

    def _register_own(self) -> None:
        """Register graphnet's own objects."""
        started, plugin = time.perf_counter(), Plugin("builtin", NAME, VERSION)
        plugin.entries = hooks.call(importlib.import_module(BUILTIN), plugin)
        self.registry.add(plugin.entries)
        if note := owners_note():
            plugin.notes.append(note)
        self._add(plugin, started)

    def _host(self, packages: dict[str, str]) -> Host:
        host = Host(packages)
        for plugin in self.plugins:
            host.add(plugin.entries)
        return host

    def _report_missing(self, allowed: Allowed, points: list[PluginEntryPoint]) -> None:
        known = sorted({name for point in points for name in point[:2]})
        self.not_installed = allowed.missing(known)
        for name in self.not_installed:
            reason = f"no such plugin is installed. {did_you_mean(name, known)}".strip()
            self.plugins.append(Plugin(name, name, "", "failed", reason))

    def _load_point(self, point: PluginEntryPoint, allowed: Allowed, owners: dict[str, str], host: Host | None) -> None:
        """Import the module of an entry point and register it, if it is allowed and its name is not taken."""
        plugin = Plugin(point.name, point.distribution, point.version, notes=list(point.notes))
        if host is None or not allowed.admits(point.name, point.distribution):
            plugin.status, plugin.reason = "skipped", "not among the allowed plugins"
        elif (first := owners[point.name]) != point.distribution:
            plugin.status = "failed"
            plugin.reason = f"the entry point {point.name!r} is also that of {first}. Uninstall one of the two."
        else:
            self._run(plugin, point.module, host, functools.partial(self._import, point))
            return
        self.plugins.append(plugin)

    def _import(self, point: PluginEntryPoint, plugin: Plugin) -> object:
        """Return the module of an entry point, if its distribution accepts this version of graphnet."""
        if point.requires and not versions.accepts(point.requires, VERSION):
            raise PluginError(
                "written for another version of graphnet",
                where=point.distribution,
                expected=f"graphnet {point.requires}",
                received=f"graphnet {VERSION}",
                remedy=f"Install them together, {how_to_install(NAME, point.distribution)}",
            )
        try:
            return point.point.load()
        except (KeyboardInterrupt, SignalExit):
            raise
        except BaseException as error:
            raise _ImportFailed(f"importing {point.point.value} failed: ", error) from error

    def register(self, module: object, *, name: str, distribution: str | None = None, version: str = "0") -> Plugin:
        """Load a module as a plugin, such as one in a test, and return its record."""
        plugin = Plugin(name, distribution or name, version)
        host = self._host({})
        self._run(plugin, str(getattr(module, "__name__", "")), host, lambda _: module)
        return plugin

    def _run(self, plugin: Plugin, name: str, host: Host, load: Callable[[Plugin], object]) -> None:
        """Import a plugin, call its hooks, and register all of its objects, or none if any step fails."""
        started = time.perf_counter()
        try:
            with host.around(plugin, name):
                module = load(plugin)
                entries = hooks.call(module, plugin)
                if not entries and _partly_imported(module):
                    raise _used_too_early(plugin)
            self.registry.add(entries)
            plugin.entries = entries
            host.add(entries)
        except (KeyboardInterrupt, SignalExit):
            raise
        except _ImportFailed as failed:
            plugin.fail(failed.error, failed.doing)
        except BaseException as error:  # sys.exit() in a plugin must not end the host
            plugin.fail(error)
        self._add(plugin, started)

    def _add(self, plugin: Plugin, started: float) -> None:
        plugin.seconds = time.perf_counter() - started
        if plugin.seconds > SLOW:
            plugin.notes.append(
                f"it takes {plugin.seconds:.1f} s to load; import large modules inside the functions that need them"
            )
        self.plugins.append(plugin)


class _ImportFailed(Exception):
    """The import of a plugin's module failed with ``error``."""

    def __init__(self, doing: str, error: BaseException) -> None:
        super().__init__(doing)
        self.doing, self.error = doing, error


def _owners_of_names(points: list[PluginEntryPoint]) -> dict[str, str]:
    """Return the distribution that each entry point's name belongs to: graphnet-NAME, otherwise the first one."""
    owners: dict[str, str] = {}
    for point in points:
        if canonical(point.distribution) == canonical(f"graphnet-{point.name}"):
            owners[point.name] = point.distribution
        owners.setdefault(point.name, point.distribution)
    return owners


def _used_too_early(plugin: Plugin) -> PluginError:
    return PluginError(
        "it uses the plugin manager while it is being imported, before its hooks are defined",
        where=plugin.distribution,
        remedy="Call graphnet.plugins.manager() inside the functions that need it.",
    )


def _partly_imported(module: object) -> bool:
    """Whether a module is still being imported."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
