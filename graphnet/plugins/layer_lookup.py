"""Layers of plugins by their registered names, and by the ufuncs of numpy that they compute."""

from __future__ import annotations

from typing import cast

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.operators import LayerSource
from graphnet.plugins.current import manager


def named(name: str) -> type[Layer]:
    """Return the class of a layer by its name, in any spelling that files accept.

    Raises
    ------
    UnknownNameError, PluginError
        If no distribution, or several, register it.
    """
    return cast("type[Layer]", manager().registry.get("layers", name).object)


def by_ufunc(name: str) -> type[Layer] | None:
    """Return the first registered layer that declares a ufunc of numpy; None if there is none."""
    entries = manager().registry.entries("layers")
    return next((cast("type[Layer]", e.object) for e in entries if getattr(e.object, "ufunc", None) == name), None)


SOURCE = LayerSource(named, by_ufunc)
