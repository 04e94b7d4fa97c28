"""Loading plugins: explicit, isolated, in a fixed order."""

from __future__ import annotations

import importlib
import time
from collections.abc import Collection

from graphnet.core.distribution import NAME, VERSION
from graphnet.core.errors import PluginError, StateError, did_you_mean
from graphnet.core.garbage import gc_paused
from graphnet.plugins import discovery, hooks, versions
from graphnet.plugins.discovery import Allowed, PluginEntryPoint
from graphnet.plugins.guard import SLOW, ClassSnapshot, guarded
from graphnet.plugins.installing import how_to_install
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
        with gc_paused():
            self._load_all(allow)

    def _load_all(self, allow: Collection[str] | None) -> None:
        own = importlib.import_module(BUILTIN)
        self.register(own, name="builtin", distribution=NAME, version=VERSION)
        allowed = discovery.allowed(None if allow is None else ",".join(allow) or "none")
        points = discovery.installed()
        self._report_missing(allowed.names or frozenset(), {name for point in points for name in point[:2]})
        owners: dict[str, str] = {}
        for point in points:
            self._load_point(point, allowed, owners)

    def _report_missing(self, allowed: frozenset[str], known: set[str]) -> None:
        self.not_installed = sorted(allowed - known)
        for name in self.not_installed:
            reason = f"no such plugin is installed. {did_you_mean(name, sorted(known))}".strip()
            self.plugins.append(Plugin(name, name, "", "failed", reason))

    def _load_point(self, point: PluginEntryPoint, allowed: Allowed, owners: dict[str, str]) -> None:
        """Import the module of an entry point and register it, if it is allowed and its name is not taken."""
        plugin = Plugin(point.name, point.distribution, point.version)
        if not allowed.admits(point.name, point.distribution):
            plugin.status, plugin.reason = "skipped", "not among the allowed plugins"
        elif owners.setdefault(point.name, point.distribution) != point.distribution:
            first = owners[point.name]
            plugin.status = "failed"
            plugin.reason = f"the entry point {point.name!r} is also that of {first}. Uninstall one of the two."
        else:
            self._import(point, plugin)
            return
        self.plugins.append(plugin)

    def _import(self, point: PluginEntryPoint, plugin: Plugin) -> None:
        started, others = time.perf_counter(), self._class_snapshot()
        try:
            self._check_version(point)
            with guarded(plugin.notes):
                module = point.point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() in a plugin must not end the host
            refused = isinstance(error, PluginError) and error.where == point.distribution
            plugin.fail(error, "" if refused else f"importing {point.point.value} failed: ")
            others.restore()
            self._add(plugin, started)
            return
        self._register(module, plugin, started, others)
        if not plugin.entries and plugin.status == "loaded" and _partly_imported(module):
            plugin.fail(
                PluginError(
                    "it uses the plugin manager while it is being imported, before its hooks are defined",
                    where=point.distribution,
                    remedy="Call graphnet.plugins.manager() inside the functions that need it.",
                )
            )

    def _check_version(self, point: PluginEntryPoint) -> None:
        """Refuse a plugin whose distribution requires another version of graphnet."""
        if versions.unmet(VERSION, point.requirement):
            raise PluginError(
                "written for another version of graphnet",
                where=point.distribution,
                expected=f"graphnet {point.requirement}",
                received=f"graphnet {VERSION}",
                remedy=f"Install them together, {how_to_install(NAME, point.distribution)}",
            )

    def _class_snapshot(self) -> ClassSnapshot:
        return ClassSnapshot(entry for plugin in self.plugins for entry in plugin.entries)

    def _add(self, plugin: Plugin, started: float) -> None:
        plugin.seconds = time.perf_counter() - started
        if plugin.seconds > SLOW:
            plugin.notes.append(
                f"it takes {plugin.seconds:.1f} s to load; import large modules inside the functions that need them"
            )
        self.plugins.append(plugin)

    def register(self, module: object, *, name: str, distribution: str | None = None, version: str = "0") -> Plugin:
        """Load a module as a plugin, such as one in a test, and return its record."""
        plugin = Plugin(name, distribution or name, version)
        return self._register(module, plugin, time.perf_counter(), self._class_snapshot())

    def _register(self, module: object, plugin: Plugin, started: float, others: ClassSnapshot) -> Plugin:
        """Call the hooks of one plugin, and register all of its objects, or none if any step fails."""
        try:
            with guarded(plugin.notes):
                entries = hooks.call(module, plugin)
            self._check_others(others, plugin)
            self.registry.add(entries)
            plugin.entries = entries
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            plugin.fail(error)
            others.restore()
        self._add(plugin, started)
        return plugin

    @staticmethod
    def _check_others(others: ClassSnapshot, plugin: Plugin) -> None:
        """Restore changed classes of other plugins, and refuse the plugin that changed them."""
        changed = others.restore()
        if changed:
            raise PluginError(
                f"it changes classes of other plugins: {', '.join(changed[:3])}",
                where=plugin.distribution,
                expected="its own classes, registered by its hooks",
                remedy="The classes were restored.",
            )


def _partly_imported(module: object) -> bool:
    """Whether a module is still being imported."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
