"""Backends of plugins, for the core, which knows no plugin; the plugins load when a name is first asked for."""

from __future__ import annotations

from graphnet.core.errors import UnknownNameError
from graphnet.core.run import backends
from graphnet.core.run.backends import Backend


def backend(name: str) -> Backend | None:
    """A plugin's backend, made anew; None if there is none of that name."""
    from graphnet.plugins import manager

    try:
        entry = manager().registry.get("backends", name)
    except UnknownNameError:
        return None
    made: Backend = entry.object()
    return made


def names() -> list[str]:
    """The names of the plugins' backends."""
    from graphnet.plugins import manager

    return [entry.name for entry in manager().registry.entries("backends") if entry.name not in backends.BUILT_IN]


backends.finders.append(backend)
backends.listers.append(names)
