"""A plugin manager in which a class that no plugin registers is registered too."""

from __future__ import annotations

import types

from graphnet.core.describe.layer import Layer
from graphnet.plugins import PluginManager, hookimpl
from graphnet.plugins.hooks import call
from graphnet.plugins.record import Plugin


def extended(host: PluginManager, layer: type[Layer], distribution: str, version: str) -> PluginManager:
    """Return a copy of a manager in which a layer is registered, as by a plugin of a distribution.

    The settings of the process are not guarded, as they are while plugins load: no code of a plugin runs here.

    Raises
    ------
    GraphnetError
        If the layer cannot be registered.
    """
    module = types.ModuleType("checked")

    @hookimpl
    def graphnet_register_layers(register: object) -> None:
        register(layer)  # type: ignore[operator]

    module.graphnet_register_layers = graphnet_register_layers  # type: ignore[attr-defined]
    other, plugin = host.copy(), Plugin("checked", distribution, version)
    plugin.entries = call(module, plugin)
    other.registry.add(plugin.entries)
    other.plugins.append(plugin)
    return other
