"""Plugins: loaded in a fixed order, each by itself; what fails is reported and leaves nothing behind."""

import signal
import subprocess
import sys
import types

import pytest

from graphnet import FullyConnected, Layer, PluginError, StateError, UnknownNameError
from graphnet.plugins import PluginManager, discovery, hookimpl, hookspecs, manager, using


class Cube(Layer):
    """y = x³."""

    def apply(self, x):
        return x**3, x

    def pull(self, x, error):
        return error * 3 * x**2


HOOKS = [kind.hook for kind in hookspecs.KINDS.values()]


def plugin(**functions):
    module = types.ModuleType("some_plugin")
    for name, function in functions.items():
        function.__name__ = name
        setattr(module, name, hookimpl(function) if name in HOOKS else function)
    return module


def loaded(module, name="foo", distribution="graphnet-foo", version="1.2"):
    host = PluginManager()
    host.load(allow=())
    record = host.register(module, name=name, distribution=distribution, version=version)
    return host, record


def test_registered_layer_has_both_names():
    host, record = loaded(plugin(graphnet_register_layers=lambda register: register(Cube)))
    assert (record.status, [e.id for e in record.entries]) == ("loaded", ["graphnet-foo/Cube"])
    for name in ("Cube", "graphnet-foo/Cube"):
        assert host.registry.get("layers", name).object is Cube
    assert host.registry.entry_of(Cube).origin == "graphnet-foo 1.2"


def raising(register):
    register(Cube)
    raise RuntimeError("out of order")


class Mute(Exception):
    def __str__(self):
        raise ValueError("not even this")


def mute(register):
    raise Mute


def generating(register):
    yield register(Cube)


async def waiting(register):
    register(Cube)


BROKEN = {
    "a hook raises": (plugin(graphnet_register_layers=raising), "RuntimeError: out of order"),
    "a hook exits": (plugin(graphnet_register_layers=lambda register: sys.exit(3)), "SystemExit: 3"),
    "an error without a message": (plugin(graphnet_register_layers=mute), "Mute: the message of the error cannot be shown"),
    "a list is returned": (plugin(graphnet_register_layers=lambda register: [Cube]), "returned a value.*received list"),
    "a generator": (plugin(graphnet_register_layers=generating), "returned a value.*received generator"),
    "a coroutine": (plugin(graphnet_register_layers=waiting), "returned a value.*received coroutine"),
    "no class": (plugin(graphnet_register_layers=lambda register: register(Cube())), "an object that is not a class"),
    "no layer": (plugin(graphnet_register_layers=lambda register: register(int)), "a class that is not a layer"),
    "the base": (plugin(graphnet_register_layers=lambda register: register(Layer)), "a class that is not a layer"),
    "no name": (plugin(graphnet_register_layers=lambda register: register(Cube, "my cube")), "whose name, 'my cube', is not valid"),
    "twice": (
        plugin(graphnet_register_layers=lambda register: register(Cube) or register(Cube)),
        "layer 'Cube' of graphnet-foo 1.2 is already registered by graphnet-foo 1.2",
    ),
    "misspelt": (
        plugin(graphnet_register_layer=lambda register: register(Cube)),
        "graphnet_register_layer is not a hook.*Did you mean 'graphnet_register_layers'",
    ),
    "wrong argument": (
        plugin(graphnet_register_layers=lambda registry: registry(Cube)),
        r"graphnet_register_layers has the unknown argument registry; expected graphnet_register_layers\(register\), version 4 of the hooks",
    ),
    "rubbish optimizer": (
        plugin(graphnet_register_optimizers=lambda register: register(dict)),
        "a class without calculate_update",
    ),
    "rubbish data set": (plugin(graphnet_register_datasets=lambda register: register(3, "three")), "not callable"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_failing_plugin_is_reported_and_registers_nothing(kind):
    module, reason = BROKEN[kind]
    clean = PluginManager()
    clean.load(allow=())
    host, record = loaded(module)
    assert record.status == "failed"
    assert __import__("re").search(reason, record.reason, flags=16), record.reason
    assert "graphnet-foo 1.2" in record.reason
    assert record.entries == []
    assert record.trace
    assert [e.id for e in host.registry.entries("layers")] == [e.id for e in clean.registry.entries("layers")]
    after = host.register(plugin(graphnet_register_layers=lambda register: register(Cube)), name="bar")
    assert after.status == "loaded"


def test_unmarked_hook_is_reported():
    module = types.ModuleType("unmarked")
    module.graphnet_register_layers = lambda register: register(Cube)
    _, record = loaded(module)
    assert "not marked as a hook; expected @hookimpl above it" in record.reason


def test_ambiguous_short_name_needs_distribution():
    host, _ = loaded(plugin(graphnet_register_layers=lambda register: register(Cube)))
    other = type("Cube", (Cube,), {})
    host.register(
        plugin(graphnet_register_layers=lambda register: register(other)), name="bar", distribution="bar", version="2"
    )
    with pytest.raises(
        PluginError, match=r"'Cube' is registered by graphnet-foo 1.2 and bar 2.*Write graphnet-foo/Cube or bar/Cube"
    ):
        host.registry.get("layers", "Cube")
    assert host.registry.get("layers", "bar/Cube").object is other


def test_duplicate_id_names_both_distributions():
    host, _ = loaded(plugin(graphnet_register_layers=lambda register: register(Cube)))
    again = host.register(
        plugin(graphnet_register_layers=lambda register: register(Cube)),
        name="baz",
        distribution="graphnet-foo",
        version="9",
    )
    assert again.status == "failed"
    assert "of graphnet-foo 9 is already registered by graphnet-foo 1.2" in again.reason


def test_unknown_name_suggests_closest():
    host, _ = loaded(plugin(graphnet_register_layers=lambda register: register(Cube)))
    with pytest.raises(UnknownNameError, match=r"unknown layer 'Cubee'. Did you mean 'Cube' \(graphnet-foo 1.2\)\?"):
        host.registry.get("layers", "Cubee")
    with pytest.raises(UnknownNameError) as caught:
        host.registry.get("layers", "Zebra")
    assert "Did you mean" not in str(caught.value)
    assert "FullyConnected" in str(caught.value)


class Point:
    """An entry point of a distribution that is not installed."""

    def __init__(self, name, distribution, load):
        self.name, self.value, self.module = name, f"{name}.plugin", f"{name}.plugin"
        self.dist = types.SimpleNamespace(metadata={"Name": distribution, "Version": "3.1"})
        self.load = load


def broken():
    raise ImportError("no module named 'heavy'")


@pytest.fixture
def installed(monkeypatch):
    """Four entry points, one of which cannot be imported and one of which has the name of another."""
    cube = plugin(graphnet_register_layers=lambda register: register(Cube))
    points = [
        Point("zeta", "a-dist", lambda: cube),
        Point("alpha", "b-dist", broken),
        Point("zeta", "c-dist", lambda: plugin()),
        Point("last", "d-dist", lambda: plugin(graphnet_register_layers=lambda register: register(Cube, "Cubic"))),
    ]
    monkeypatch.setattr(discovery, "entry_points", lambda group: list(reversed(points)))


def statuses(host):
    return [(p.distribution, p.name, p.status) for p in host.plugins[1:]]


def test_name_belongs_to_the_distribution_that_is_called_after_it(monkeypatch):
    points = [Point("zeta", "a-dist", plugin), Point("zeta", "Graphnet_Zeta", plugin)]
    monkeypatch.setattr(discovery, "entry_points", lambda group: points)
    host = PluginManager()
    host.load()
    assert statuses(host) == [("a-dist", "zeta", "failed"), ("Graphnet_Zeta", "zeta", "loaded")]
    assert "also that of Graphnet_Zeta" in host.plugins[1].reason


def test_entry_points_load_in_order_and_isolated(installed):
    host = PluginManager()
    host.load()
    assert statuses(host) == [
        ("a-dist", "zeta", "loaded"),
        ("b-dist", "alpha", "failed"),
        ("c-dist", "zeta", "failed"),
        ("d-dist", "last", "loaded"),
    ]
    assert "importing alpha.plugin failed: ImportError: no module named 'heavy'" in host.plugins[2].reason
    assert "also that of a-dist" in host.plugins[3].reason
    assert host.registry.get("layers", "Cubic").object is Cube


def test_allow_list_and_environment_select_plugins(installed, monkeypatch):
    host = PluginManager()
    host.load(allow=["d-dist", "nobody"])
    assert [(d, s) for d, _, s in statuses(host)] == [
        ("nobody", "failed"), ("a-dist", "skipped"), ("b-dist", "skipped"), ("c-dist", "skipped"), ("d-dist", "loaded"),
    ]  # fmt: skip
    monkeypatch.setenv("GRAPHNET_PLUGINS", "none")
    host = PluginManager()
    host.load()
    assert {s for _, _, s in statuses(host)} == {"skipped"}
    assert host.registry.get("layers", "FullyConnected").object is FullyConnected
    monkeypatch.setenv("GRAPHNET_PLUGINS", "last, zeta")
    host = PluginManager()
    host.load()
    assert [s for _, _, s in statuses(host)] == ["loaded", "skipped", "failed", "loaded"]


def test_invalid_metadata_hide_no_other_plugin(monkeypatch):
    nameless, useless = Point("first", None, lambda: plugin()), Point("second", "x-dist", lambda: plugin())
    useless.dist = None
    cube = Point("third", "y-dist", lambda: plugin(graphnet_register_layers=lambda register: register(Cube)))
    monkeypatch.setattr(discovery, "entry_points", lambda group: [nameless, useless, cube])
    host = PluginManager()
    host.load()
    assert statuses(host) == [
        ("first.plugin", "first", "loaded"), ("second.plugin", "second", "loaded"), ("y-dist", "third", "loaded"),
    ]  # fmt: skip
    assert host.plugins[2].version == "unknown"


def test_invalid_entry_points_hide_no_other_plugin(tmp_path, monkeypatch):
    for name, points in (("sound", "[graphnet]\ncube = sound_plugin\n"), ("broken", "[graphnet]\nno equals sign\n")):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(points)
    (tmp_path / "sound_plugin.py").write_text(
        "from graphnet import Dropout\nfrom graphnet.plugins import hookimpl\n\n\n"
        "@hookimpl\ndef graphnet_register_layers(register):\n    register(Dropout, 'Dropped')\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    host = PluginManager()
    host.load()
    assert ("sound", "cube", "loaded") in statuses(host)
    assert host.registry.get("layers", "Dropped").id == "sound/Dropped"
    monkeypatch.delitem(sys.modules, "sound_plugin")


def test_register_after_hook_is_refused():
    kept = []
    _, record = loaded(plugin(graphnet_register_layers=lambda register: kept.append(register)))
    assert record.status == "loaded"
    with pytest.raises(PluginError, match="after the hook had returned"):
        kept[0](Cube)
    assert record.entries == []


def test_second_load_is_refused():
    host = PluginManager()
    host.load(allow=())
    before = len(host.plugins)
    with pytest.raises(StateError, match="already loaded"):
        host.load(allow=())
    assert len(host.plugins) == before


def test_keyboard_interrupt_is_not_caught():
    def interrupted(register):
        signal.raise_signal(signal.SIGINT)

    host = PluginManager()
    with pytest.raises(KeyboardInterrupt):
        host.register(plugin(graphnet_register_layers=interrupted), name="slow")
    assert host.plugins == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_keyboard_interrupt_that_a_plugin_raises_is_its_failure():
    def raising_it(register):
        raise KeyboardInterrupt

    record = PluginManager().register(plugin(graphnet_register_layers=raising_it), name="odd")
    assert record.status == "failed" and "it raises KeyboardInterrupt" in record.reason


def test_using_replaces_the_manager():
    host = PluginManager()
    before = manager()
    with using(host):
        assert manager() is host
    assert manager() is before


def test_every_hook_has_text_and_builtin_objects():
    host = PluginManager()
    host.load(allow=())
    for name, kind in hookspecs.KINDS.items():
        assert kind.registers, name
        assert host.registry.entries(name) or name in ("commands", "executors"), name
    assert all(e.object.__doc__ for kind in hookspecs.KINDS for e in host.registry.entries(kind))


@pytest.mark.no_plugins
def test_importing_graphnet_loads_no_plugin():
    code = (
        "import sys, graphnet; print([m for m in sys.modules if m.startswith('graphnet_') or m == 'graphnet.plugins'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.no_plugins
def test_missing_plugin_is_named_with_remedy(monkeypatch):
    from graphnet.io import parse_model

    monkeypatch.setattr(discovery, "entry_points", lambda group: [])
    host = PluginManager()
    host.load()
    text = """
format: graphnet/1
plugins: {graphnet-recurrent: '>=0.1'}
inputs: {x: 'time, batch, feature=2'}
nodes: {lstm: {layer: LSTM, with: {input_size: 2, hidden_size: 3, output_size: null}, inputs: x}}
outputs: {y: lstm}
"""
    with (
        using(host),
        pytest.raises(PluginError, match=r"needs graphnet-recurrent >=0.1, which is not installed.*pip install"),
    ):
        parse_model(text)
