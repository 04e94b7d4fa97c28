"""The fields of errors, and the messages that are composed from them."""

import pytest

from graphnet import Builder, ConfigError, FullyConnected, Graph, GraphError, Runner, ShapeError
from graphnet.authoring import Ref
from graphnet.core.errors import GraphnetError, did_you_mean, unknown


def test_message_has_facts_in_order():
    error = GraphnetError("wrong size", where="node a", expected=3, received=4, remedy="Change it.")
    assert str(error) == "node a: wrong size; expected 3, received 4. Change it."
    assert str(error.at("m.yaml:2")).startswith("m.yaml:2: node a: wrong size")


def test_about_keeps_first_subject():
    error = GraphnetError("wrong").about("cell/a").about("cell")
    assert (error.subject, error.key_path) == ("cell/a", ())


def test_unknown_lists_known_names():
    error = unknown("pass", "spilt", ["split", "merge"], where="Runner", error=ConfigError)
    assert isinstance(error, ConfigError)
    assert str(error) == "Runner: unknown pass 'spilt'; expected one of split, merge. Did you mean 'split'?"
    assert unknown("pass", "x", ["split"], remedy="Remove it.").remedy == "Remove it."
    assert str(unknown("input", "x", [f"x{i}" for i in range(30)])).count(",") == 20


def test_did_you_mean_ignores_case():
    assert did_you_mean("LSTN", ["lstm", "gru"]) == "Did you mean 'lstm'?"
    assert did_you_mean("abc", ["xyz"]) == ""


def test_layer_error_has_key_path():
    with pytest.raises(ConfigError) as caught:
        FullyConnected(3, 0)
    assert caught.value.key_path == ("output_size",)


def test_graph_error_has_key_path():
    g = Builder("g")
    graph = g.build(FullyConnected(3, 2)(g.input("x", "batch, feature=3"), name="dense"))
    with pytest.raises(GraphError) as caught:
        Graph("g", graph.inputs, graph.nodes, {"y": Ref("dense", "nothing")})
    assert caught.value.key_path == ("outputs", "y")


def test_shape_error_has_node_as_subject():
    g = Builder("g")
    graph = g.build(FullyConnected(4, 2)(g.input("x", "batch, feature=3"), name="dense"))
    with pytest.raises(ShapeError) as caught:
        Runner(graph)
    assert caught.value.subject == "dense"
