"""The backends of plugins: the source that ``graphnet`` adds to ``graphnet.core.run.backends``.

A plugin may announce a backend in the entry-point group ``graphnet.backends``. Such a backend is found by loading that
plugin alone, which is why only announced backends may run where none is named: to look into every plugin would make the
first pass of each process slow.
"""

from __future__ import annotations

import os

from graphnet.core.concurrency import locks
from graphnet.core.errors import UnknownNameError
from graphnet.core.run.backends import BUILT_IN, Backend
from graphnet.plugins import discovery
from graphnet.plugins.current import manager, scoped
from graphnet.plugins.manager import PluginManager
from graphnet.plugins.record import VARIABLE

#: Managers with the plugins that announce backends, by the value of GRAPHNET_PLUGINS.
_announced: dict[str, PluginManager] = {}


def find(name: str) -> Backend | None:
    """Return a new backend of a plugin; None for an unknown name."""
    announced = scoped() is None and name in {known for known, _ in automatic()}
    current = announcing() if announced else manager()
    try:
        entry = current.registry.get("backends", name)
    except UnknownNameError:
        return None
    backend: Backend = entry.object()
    return backend


def names() -> list[str]:
    """Return the names of the backends of plugins."""
    return [entry.name for entry in manager().registry.entries("backends") if entry.name not in BUILT_IN]


def automatic() -> list[tuple[str, type[Backend]]]:
    """Return the backends that are announced, or all those of the manager of the current block, with their names."""
    current = scoped() or announcing()
    entries = [entry for entry in current.registry.entries("backends") if entry.name not in BUILT_IN]
    return [(current.registry.short_name(entry), entry.object) for entry in entries]  # type: ignore[misc]


def announcing() -> PluginManager:
    """Return a manager that has loaded the plugins which announce a backend, and no others."""
    allowed = os.environ.get(VARIABLE, "")
    known = _announced.get(allowed)
    if known is None:
        known = PluginManager()
        known.load_announced(discovery.installed(discovery.BACKENDS))
        with locks.lock:
            known = _announced.setdefault(allowed, known)
    return known
