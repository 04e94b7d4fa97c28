"""The backends of plugins: the source that ``graphnet`` adds to ``graphnet.core.run.backends``."""

from __future__ import annotations

from graphnet.core.errors import UnknownNameError
from graphnet.core.run.backends import BUILT_IN, Backend
from graphnet.plugins.current import manager


def find(name: str) -> Backend | None:
    """Return a new backend of a plugin; None for an unknown name."""
    try:
        entry = manager().registry.get("backends", name)
    except UnknownNameError:
        return None
    backend: Backend = entry.object()
    return backend


def names() -> list[str]:
    """Return the names of the backends of plugins."""
    return [entry.name for entry in manager().registry.entries("backends") if entry.name not in BUILT_IN]
