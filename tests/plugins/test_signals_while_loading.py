"""A signal that arrives while a plugin loads ends the command; a plugin that exits does not."""

import types

import pytest

from graphnet.core.signal_exit import SignalExit
from graphnet.plugins import PluginManager, hookimpl


def module_that_raises(error):
    module = types.ModuleType("ends")

    @hookimpl
    def graphnet_register_layers(register):
        raise error

    module.graphnet_register_layers = graphnet_register_layers
    return module


def test_signal_while_a_plugin_loads_ends_the_command():
    with pytest.raises(SignalExit) as caught:
        PluginManager().register(module_that_raises(SignalExit(143)), name="ends")
    assert caught.value.code == 143


def test_exit_of_a_plugin_fails_that_plugin():
    plugin = PluginManager().register(module_that_raises(SystemExit(3)), name="ends")
    assert (plugin.status, plugin.entries) == ("failed", [])
