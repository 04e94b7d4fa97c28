"""Loading plugins: explicit, isolated, in a fixed order."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Any

import pluggy

from graphnet.core.errors import GraphnetError, PluginError, nearest
from graphnet.plugins import hookspecs
from graphnet.plugins.registry import Entry, Registry

GROUP = "graphnet"
#: ``none`` for no plugins, or the names of those allowed, separated by commas.
VARIABLE = "GRAPHNET_PLUGINS"


@dataclass(slots=True)
class Plugin:
    """What became of one plugin.

    Attributes
    ----------
    status : {'loaded', 'failed', 'skipped'}
    reason : str
        Why it failed or was skipped, and what to do.
    trace : str
        The traceback of a failure.
    seconds : float
        That importing and registering took.
    entries : list of Entry
        What it registered; empty unless it is loaded.
    """

    name: str
    distribution: str
    version: str
    status: str = "loaded"
    reason: str = ""
    trace: str = ""
    seconds: float = 0.0
    entries: list[Entry] = field(default_factory=list)


class PluginManager:
    """Loads plugins into a registry of its own; a plugin that fails is reported and leaves nothing behind.

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

    def load(self, allow: Collection[str] | None = None) -> None:
        """Load graphnet's own objects, then the installed plugins, ordered by distribution and entry point.

        Parameters
        ----------
        allow : collection of str, optional
            Names of distributions or entry points to load; the others are listed as skipped. None: what the
            environment variable GRAPHNET_PLUGINS says ("none", or names separated by commas), else all.
        """
        from graphnet.plugins import builtin

        self.register(builtin, name="builtin", distribution="graphnet", version=_version("graphnet"))
        allowed = _allowed() if allow is None else set(allow)
        points = sorted(metadata.entry_points(group=GROUP), key=lambda p: (_distribution(p)[0], p.name))
        for name in sorted((allowed or set()) - {p.name for p in points} - {_distribution(p)[0] for p in points}):
            known = sorted({p.name for p in points} | {_distribution(p)[0] for p in points})
            reason = f"no such plugin is installed. {nearest(name, known)}".strip()
            self.plugins.append(Plugin(name, name, "", "failed", reason))
        seen: dict[str, str] = {}
        for point in points:
            self._load_point(point, allowed, seen)

    def _load_point(self, point: metadata.EntryPoint, allowed: set[str] | None, seen: dict[str, str]) -> None:
        distribution, version = _distribution(point)
        record = Plugin(point.name, distribution, version)
        if allowed is not None and not allowed & {point.name, distribution}:
            record.status, record.reason = "skipped", "not among the allowed plugins"
            self.plugins.append(record)
            return
        if seen.setdefault(point.name, distribution) != distribution:
            record.status = "failed"
            record.reason = (
                f"the entry point {point.name!r} is also that of {seen[point.name]}. Uninstall one of the two."
            )
            self.plugins.append(record)
            return
        started = time.perf_counter()
        try:
            module = point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            record.seconds = time.perf_counter() - started
            self._failed(record, error, f"importing {point.value} failed: {type(error).__name__}: {error}")
            self.plugins.append(record)
            return
        self._register(module, record, started)

    def register(
        self, module: ModuleType | object, *, name: str, distribution: str | None = None, version: str = "0"
    ) -> Plugin:
        """Load a plugin that is at hand, such as a module in a test; returns what became of it."""
        return self._register(module, Plugin(name, distribution or name, version), time.perf_counter())

    def _register(self, module: object, record: Plugin, started: float) -> Plugin:
        """Call the hooks of one plugin; all that it registers counts, or none of it."""
        found: list[Entry] = []
        try:
            host = pluggy.PluginManager(hookspecs.PROJECT)
            host.add_hookspecs(hookspecs)
            host.register(module, name=record.name)
            _check_hooks(module, host)
            for hook, kind in hookspecs.KINDS.items():
                getattr(host.hook, hook)(register=_Collector(kind, record, found))
            self.registry.add(found)
            record.entries = found
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            told = str(error) if isinstance(error, GraphnetError) else f"{type(error).__name__}: {error}"
            self._failed(record, error, told)
        record.seconds = time.perf_counter() - started
        self.plugins.append(record)
        return record

    @staticmethod
    def _failed(record: Plugin, error: BaseException, reason: str) -> None:
        record.status, record.trace = "failed", "".join(traceback.format_exception(error))
        advice = f"Mend or uninstall {record.distribution} {record.version}".rstrip()
        record.reason = f"{reason.rstrip('.')}. {advice}, or leave it out by {VARIABLE}."


class _Collector:
    """``register`` of one kind for one plugin."""

    def __init__(self, kind: str, record: Plugin, found: list[Entry]) -> None:
        self.kind, self.record, self.found = kind, record, found

    def __call__(self, thing: Any, name: str | None = None) -> None:
        given = getattr(thing, "__name__", None) if name is None else name
        problem = _unfit(self.kind, thing)
        if problem is None and not (isinstance(given, str) and given.isidentifier()):
            problem = f"an object whose name is {given!r}, which is no identifier"
        if problem is not None:
            raise PluginError(
                f"register was given {problem}",
                where=f"graphnet_register_{self.kind} of {self.record.distribution}",
                expected=_EXPECTED[self.kind],
                received=repr(thing)[:200],
            )
        self.found.append(Entry(self.kind, str(given), thing, self.record.distribution, self.record.version))


_EXPECTED = {
    "layers": "a subclass of graphnet.Layer",
    "optimizers": "a class with calculate_update",
    "regularizers": "a class with calculate and norm",
    "initializers": "a class with initialize",
    "losses": "a class with value and error",
    "metrics": "a class with update and result",
    "datasets": "a function",
}
_METHODS = {
    "optimizers": ("calculate_update",),
    "regularizers": ("calculate", "norm"),
    "initializers": ("initialize",),
    "losses": ("value", "error"),
    "metrics": ("update", "result"),
}


def _unfit(kind: str, thing: Any) -> str | None:
    """What is wrong with an object of a kind; None if nothing is."""
    from graphnet.core.layer import Layer

    if kind == "datasets":
        return None if callable(thing) else "something that cannot be called"
    if not isinstance(thing, type):
        return "an object that is no class"
    if kind == "layers":
        return None if issubclass(thing, Layer) and thing is not Layer else "a class that is no layer"
    missing = [name for name in _METHODS[kind] if not callable(getattr(thing, name, None))]
    return f"a class without {' and '.join(missing)}" if missing else None


def _check_hooks(module: object, host: pluggy.PluginManager) -> None:
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


def _allowed() -> set[str] | None:
    """The allow list in the environment; None where it says nothing."""
    text = os.environ.get(VARIABLE)
    if text is None or not text.strip():
        return None
    names = {name.strip() for name in text.split(",")} - {""}
    return set() if names == {"none"} else names


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that an entry point belongs to."""
    dist = point.dist
    return (point.module, "unknown") if dist is None else (dist.metadata["Name"], dist.version)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "0"
