"""Loading plugins: explicit, isolated, in a fixed order."""

from __future__ import annotations

import importlib
import time
from collections.abc import Collection

from graphnet.core.errors import PluginError, StateError, did_you_mean
from graphnet.plugins import discovery, hooks, versions
from graphnet.plugins.discovery import Allowed, Found
from graphnet.plugins.guard import SLOW, Intact, guarded
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Registry

#: The plugin that registers graphnet's own objects. It imports most of graphnet, so nothing imports it.
BUILTIN = "graphnet.plugins.builtin"


class PluginManager:
    """Loads plugins into a registry of its own; a plugin that fails is reported and leaves nothing behind.

    Attributes
    ----------
    registry : Registry
        What the loaded plugins registered.
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
    'graphnet/FullyConnected'
    """

    def __init__(self) -> None:
        self.registry = Registry()
        self.plugins: list[Plugin] = []
        self.not_installed: list[str] = []
        self._loaded = False

    def load(self, allow: Collection[str] | None = None) -> None:
        """Load graphnet's own objects, then the installed plugins, ordered by distribution and entry point.

        Parameters
        ----------
        allow : collection of str, optional
            Names of distributions or entry points to load; the others are listed as skipped; a name after a ``-`` is
            left out. None: what the environment variable GRAPHNET_PLUGINS says ("none", or such names separated by
            commas), else all.

        Raises
        ------
        StateError
            The second time: what is registered is never registered anew.
        """
        if self._loaded:
            raise StateError("the plugins are already loaded", remedy="Make another PluginManager.")
        self._loaded = True
        own = importlib.import_module(BUILTIN)
        self.register(own, name="builtin", distribution="graphnet", version=discovery.version("graphnet"))
        allowed = discovery.allowed(None if allow is None else ",".join(allow) or "none")
        points = discovery.installed()
        self._report_missing(allowed.names or frozenset(), {name for found in points for name in found[:2]})
        owners: dict[str, str] = {}
        for found in points:
            self._load_point(found, allowed, owners)

    def _report_missing(self, allowed: frozenset[str], known: set[str]) -> None:
        self.not_installed = sorted(allowed - known)
        for name in self.not_installed:
            reason = f"no such plugin is installed. {did_you_mean(name, sorted(known))}".strip()
            self.plugins.append(Plugin(name, name, "", "failed", reason))

    def _load_point(self, found: Found, allowed: Allowed, owners: dict[str, str]) -> None:
        """Import the module of an entry point and register it, unless it must not be or cannot be."""
        record = Plugin(found.name, found.distribution, found.version)
        if not allowed.admits(found.name, found.distribution):
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
        started, others = time.perf_counter(), self._intact()
        try:
            self._check_version(found)
            with guarded(record.notes):
                module = found.point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() in a plugin must not end the host
            known = isinstance(error, PluginError) and error.where == found.distribution
            record.fail(error, "" if known else f"importing {found.point.value} failed: ")
            others.restore()
            self._done(record, started)
            return
        self._register(module, record, started, others)
        if not record.entries and record.status == "loaded" and _unfinished(module):
            record.fail(
                PluginError(
                    "it asks for the plugin manager before its hooks are there, while something else imports it",
                    where=found.distribution,
                    remedy="Call graphnet.plugins.manager() inside the functions that need it.",
                )
            )

    def _check_version(self, found: Found) -> None:
        """Refuse a plugin whose distribution asks for another graphnet."""
        own = discovery.version("graphnet")
        if versions.unmet(own, found.requirement):
            raise PluginError(
                "written for another version of graphnet",
                where=found.distribution,
                expected=f"graphnet {found.requirement}",
                received=f"graphnet {own}",
                remedy=f"Install them together: pip install graphnet {found.distribution}",
            )

    def _intact(self) -> Intact:
        return Intact(entry for plugin in self.plugins for entry in plugin.entries)

    def _done(self, record: Plugin, started: float) -> None:
        record.seconds = time.perf_counter() - started
        if record.seconds > SLOW:
            record.notes.append(
                f"it takes {record.seconds:.1f} s to load; import what is large inside the functions that need it"
            )
        self.plugins.append(record)

    def register(self, module: object, *, name: str, distribution: str | None = None, version: str = "0") -> Plugin:
        """Load a plugin that is at hand, such as a module in a test; returns what became of it."""
        record = Plugin(name, distribution or name, version)
        return self._register(module, record, time.perf_counter(), self._intact())

    def _register(self, module: object, record: Plugin, started: float, others: Intact) -> Plugin:
        """Call the hooks of one plugin; all that it registers counts, or none of it."""
        try:
            with guarded(record.notes):
                entries = hooks.call(module, record)
            self._check_others(others, record)
            self.registry.add(entries)
            record.entries = entries
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            record.fail(error)
            others.restore()
        self._done(record, started)
        return record

    @staticmethod
    def _check_others(others: Intact, record: Plugin) -> None:
        """Refuse a plugin that changed classes of others; they are as they were again."""
        changed = others.restore()
        if changed:
            raise PluginError(
                f"it changes classes of others: {', '.join(changed[:3])}",
                where=record.distribution,
                expected="its own classes, registered by its hooks",
                remedy="What it changed was put back.",
            )


def _unfinished(module: object) -> bool:
    """Whether a module is still being imported."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
