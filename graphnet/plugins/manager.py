"""Loading plugins: explicit, isolated, in a fixed order."""

from __future__ import annotations

import time
from collections.abc import Collection

from graphnet.core.errors import StateError, nearest
from graphnet.plugins import discovery, hooks
from graphnet.plugins.discovery import Found
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Registry


class PluginManager:
    """Loads plugins into a registry of its own; a plugin that fails is reported and leaves nothing behind.

    Attributes
    ----------
    registry : Registry
        What the loaded plugins registered.
    plugins : list of Plugin
        What became of each, in the order of loading.

    Examples
    --------
    >>> manager = PluginManager()
    >>> manager.load(allow=())
    >>> [plugin.name for plugin in manager.plugins if plugin.status == "loaded"]
    ['builtin']
    >>> manager.registry.get("layers", "FullyConnected").id
    'graphnet/FullyConnected'
    """

    def __init__(self) -> None:
        self.registry = Registry()
        self.plugins: list[Plugin] = []
        self._loaded = False

    def load(self, allow: Collection[str] | None = None) -> None:
        """Load graphnet's own objects, then the installed plugins, ordered by distribution and entry point.

        Parameters
        ----------
        allow : collection of str, optional
            Names of distributions or entry points to load; the others are listed as skipped. None: what the
            environment variable GRAPHNET_PLUGINS says ("none", or names separated by commas), else all.

        Raises
        ------
        StateError
            The second time: what is registered is never registered anew.
        """
        from graphnet.plugins import builtin

        if self._loaded:
            raise StateError("the plugins are already loaded", remedy="Make another PluginManager.")
        self._loaded = True
        self.register(builtin, name="builtin", distribution="graphnet", version=discovery.version("graphnet"))
        allowed = discovery.allowed() if allow is None else set(allow)
        points = discovery.installed()
        self._report_missing(allowed or set(), {name for found in points for name in found[:2]})
        owners: dict[str, str] = {}
        for found in points:
            self._load_point(found, allowed, owners)

    def _report_missing(self, allowed: set[str], known: set[str]) -> None:
        for name in sorted(allowed - known):
            reason = f"no such plugin is installed. {nearest(name, sorted(known))}".strip()
            self.plugins.append(Plugin(name, name, "", "failed", reason))

    def _load_point(self, found: Found, allowed: set[str] | None, owners: dict[str, str]) -> None:
        """Import the module of an entry point and register it, unless it must not be or cannot be."""
        record = Plugin(found.name, found.distribution, found.version)
        if allowed is not None and not allowed & {found.name, found.distribution}:
            record.status, record.reason = "skipped", "not among the allowed plugins"
        elif owners.setdefault(found.name, found.distribution) != found.distribution:
            first = owners[found.name]
            record.status = "failed"
            record.reason = f"the entry point {found.name!r} is also that of {first}. Uninstall one of the two."
        else:
            self._import(found, record)
            return
        self.plugins.append(record)

    def _import(self, found: Found, record: Plugin) -> None:
        started = time.perf_counter()
        try:
            module = found.point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() in a plugin must not end the host
            record.fail(error, f"importing {found.point.value} failed: ")
            record.seconds = time.perf_counter() - started
            self.plugins.append(record)
            return
        self._register(module, record, started)

    def register(self, module: object, *, name: str, distribution: str | None = None, version: str = "0") -> Plugin:
        """Load a plugin that is at hand, such as a module in a test; returns what became of it."""
        return self._register(module, Plugin(name, distribution or name, version), time.perf_counter())

    def _register(self, module: object, record: Plugin, started: float) -> Plugin:
        """Call the hooks of one plugin; all that it registers counts, or none of it."""
        try:
            entries = hooks.call(module, record)
            self.registry.add(entries)
            record.entries = entries
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            record.fail(error)
        record.seconds = time.perf_counter() - started
        self.plugins.append(record)
        return record
