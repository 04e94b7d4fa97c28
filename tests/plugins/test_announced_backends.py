"""Plugins that announce a backend: found without loading others, and harmless when they are broken."""

from __future__ import annotations

import types
from importlib import metadata

import pytest

from graphnet.core.run import backend_choice, backends
from graphnet.core.run.backends import NumpyBackend
from graphnet.plugins import PluginManager, discovery, hookimpl, using
from graphnet.plugins import backends as source
from graphnet.plugins.discovery import PluginEntryPoint


class Fast(NumpyBackend):
    priority = 3


def plugin(backend=Fast, name="fast"):
    module = types.ModuleType("fast_plugin")

    @hookimpl
    def graphnet_register_backends(register):
        register(backend, name=name)

    module.graphnet_register_backends = graphnet_register_backends
    return module


class Point:
    """An entry point whose module is given, or whose import raises."""

    def __init__(self, name, loaded):
        self.name, self.value, self.loaded = name, f"{name}_plugin", loaded

    def load(self):
        if isinstance(self.loaded, BaseException):
            raise self.loaded
        return self.loaded


@pytest.fixture
def announce(monkeypatch):
    monkeypatch.delenv("GRAPHNET_BACKEND", raising=False)
    monkeypatch.delenv("GRAPHNET_PLUGINS", raising=False)
    monkeypatch.setattr(source, "_announced", {})
    monkeypatch.setattr(backends, "_sources", [lambda: source])
    monkeypatch.setattr(backend_choice, "_said", set())

    def announce(*points):
        entries = [PluginEntryPoint(f"graphnet-{p.name}", p.name, "1.0", p) for p in points]
        installed = discovery.installed
        monkeypatch.setattr(
            discovery,
            "installed",
            lambda group=discovery.GROUP: entries if group == discovery.BACKENDS else installed(),
        )

    return announce


def test_announced_backend_is_the_default(announce):
    announce(Point("fast", plugin()))
    assert backend_choice.default() == "fast"
    assert isinstance(backends.find("fast"), Fast)


@pytest.mark.parametrize("error", [ImportError("no library"), SystemExit(3), RuntimeError("bad"), SyntaxError("x")])
def test_broken_plugin_leaves_numpy(announce, error):
    announce(Point("fast", error))
    assert backend_choice.default() == "numpy"
    (record,) = source.announcing().plugins
    assert record.status == "failed" and "fast" in record.reason


def test_plugin_that_registers_something_invalid_leaves_the_others(announce):
    announce(Point("broken", plugin(backend=object())), Point("fast", plugin()))
    assert backend_choice.default() == "fast"


def test_excluded_plugin_is_not_loaded(announce, monkeypatch):
    announce(Point("fast", AssertionError("loaded")))
    monkeypatch.setenv("GRAPHNET_PLUGINS", "-fast")
    assert backend_choice.default() == "numpy"
    assert [p.status for p in source.announcing().plugins] == ["skipped"]


def test_plugins_of_a_block_decide_inside_it(announce):
    announce()
    manager = PluginManager()
    manager.load(allow=())
    manager.register(plugin(), name="fast")
    with using(manager):
        assert backend_choice.default() == "fast"
    assert backend_choice.default() == "numpy"


def test_entry_points_of_both_groups_are_read():
    names = {point.name for point in discovery.installed(discovery.BACKENDS)}
    assert names == {point.name for point in metadata.entry_points(group="graphnet.backends")}
