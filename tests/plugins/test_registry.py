"""The registry: by kind and name, all or nothing, with errors that name the owners."""

import pytest

from graphnet import PluginError, UnknownNameError
from graphnet.plugins import Entry, Registry
from graphnet.plugins.hookspecs import KINDS


def entry(name, distribution="graphnet-a", kind="layers", version="1.0", thing=None):
    return Entry(kind, name, thing or type(name, (), {}), distribution, version)


@pytest.fixture
def registry():
    made = Registry()
    made.add([entry("TanH"), entry("LSTM", "graphnet-b", version="0.2"), entry("TanH", kind="losses")])
    return made


def test_get_finds_entries_of_one_kind(registry):
    assert registry.get("layers", "TanH") is registry.get("layers", "graphnet-a/TanH")
    assert registry.get("losses", "TanH").kind == "losses"
    assert [e.id for e in registry.entries("layers")] == ["graphnet-a/TanH", "graphnet-b/LSTM"]
    assert registry.entries("metrics") == []


def test_add_with_duplicate_adds_nothing(registry):
    with pytest.raises(PluginError, match=r"layer 'LSTM' of graphnet-b 9 is already registered by graphnet-b 0\.2"):
        registry.add([entry("New"), entry("LSTM", "graphnet-b", version="9")])
    with pytest.raises(PluginError, match="loss 'New' of graphnet-a 1.0 is already registered by graphnet-a 1.0"):
        registry.add([entry("New", kind="losses"), entry("New", kind="losses")])
    assert [e.id for kind in KINDS for e in registry.entries(kind)] == [
        "graphnet-a/TanH", "graphnet-b/LSTM", "graphnet-a/TanH",
    ]  # fmt: skip


def test_ambiguous_name_is_refused_ids_work(registry):
    registry.add([entry("TanH", "graphnet-c", version="3")])
    with pytest.raises(PluginError) as caught:
        registry.get("layers", "TanH")
    assert "'TanH' is registered by graphnet-a 1.0 and graphnet-c 3" in str(caught.value)
    assert caught.value.remedy == "Write graphnet-a/TanH or graphnet-c/TanH."
    for owner in ("graphnet-a", "graphnet-c"):
        found = registry.get("layers", f"{owner}/TanH")
        assert found.distribution == owner
        assert registry.short_name(found) == found.id
    assert registry.short_name(registry.get("layers", "LSTM")) == "LSTM"
    assert registry.short_name(registry.get("losses", "TanH")) == "TanH"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("layers", "LTSM", "unknown layer 'LTSM'. Did you mean 'LSTM' (graphnet-b 0.2)?"),
        ("layers", "graphnet-a/Lstm", "unknown layer 'graphnet-a/Lstm'. Did you mean 'LSTM' (graphnet-b 0.2)?"),
        ("layers", "graphnet-z/LSTM", "No plugin of 'graphnet-z' is loaded"),
        ("layers", "Zebra", "Known layers: LSTM, TanH."),
        ("losses", "Zebra", "unknown loss 'Zebra'"),
        ("datasets", "zebra", "unknown data set 'zebra'. Known datasets: none."),
        ("layer", "LSTM", "unknown kind 'layer'; expected one of layers, optimizers"),
    ],
)
def test_unknown_name_has_suggestion(registry, kind, name, message):
    with pytest.raises(UnknownNameError) as caught:
        registry.get(kind, name)
    assert message in str(caught.value)


def test_unrelated_name_is_not_suggested(registry):
    with pytest.raises(UnknownNameError) as caught:
        registry.get("layers", "Zebra")
    assert "Did you mean" not in str(caught.value)


def test_entry_of_compares_identity(registry):
    found = registry.get("layers", "LSTM")
    assert registry.entry_of(found.object) is found
    with pytest.raises(PluginError, match="LSTM is not registered.*graphnet_register_layers hook"):
        registry.entry_of(type("LSTM", (found.object,), {}))
    with pytest.raises(PluginError, match="graphnet_register_losses hook"):
        registry.entry_of(found.object, "losses")


def test_preferred_distribution_resolves_ambiguous_name(registry):
    from graphnet import FullyConnected
    from graphnet.io import parse_model
    from graphnet.plugins import PluginManager, using

    registry.add([entry("TanH", "graphnet-c", version="3")])
    assert registry.preferring(["Graphnet_A"]).get("layers", "TanH").distribution == "graphnet-a"
    assert registry.preferring(["graphnet-c"]).get("layers", "TanH").distribution == "graphnet-c"
    for names in ([], ["graphnet-a", "graphnet-c"], ["graphnet-b"]):
        with pytest.raises(PluginError, match="is registered by graphnet-a 1.0 and graphnet-c 3"):
            registry.preferring(names).get("layers", "TanH")
    host = PluginManager()
    host.load(allow=())
    host.registry.add([entry("FullyConnected", "graphnet-other", thing=type("FullyConnected", (FullyConnected,), {}))])
    text = "format: graphnet/1\ninputs: {x: 'batch, feature=2'}\nnodes: {d: {layer: FullyConnected, with: {output_size: 3, input_size: 2}, inputs: x}}\noutputs: {y: d}\n"
    with using(host):
        assert type(parse_model(text).graph.nodes["d"].layer) is FullyConnected
