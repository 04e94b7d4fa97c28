"""``Sequential``: lists of layers as graphs, for Runner, Model and model files."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import graphnet
from graphnet import Embedding, Flatten, FullyConnected, Graph, Last, Model, Runner, Sequential, Subtract
from graphnet.losses import CrossEntropy
from graphnet.optimizers import Adam


def layers():
    return [FullyConnected(4, 8), FullyConnected(8, 3)]


@pytest.mark.no_plugins
@pytest.mark.parametrize("form", [lambda a: (a,), tuple, lambda a: (iter(a),)], ids=["list", "varargs", "iterator"])
def test_every_form_gives_the_same_graph(form):
    graph = Sequential(*form(layers()))
    assert isinstance(graph, Graph)
    assert graph == Sequential(*layers())
    assert list(graph.nodes) == ["fully_connected", "fully_connected_2"] and list(graph.outputs) == ["output"]


@pytest.mark.no_plugins
def test_mapping_names_the_nodes():
    first, second = layers()
    graph = Sequential({"hidden": first, "scores": second}, name="classes")
    assert graph.name == "classes" and list(graph.nodes) == ["hidden", "scores"]


@pytest.mark.no_plugins
def test_forward_equals_layers_one_by_one():
    first, second = layers()
    x = np.random.default_rng(0).normal(size=(6, 4))
    output = Runner(Sequential(first, second)).forward({"x": x})["output"]
    np.testing.assert_allclose(output, second.forward(first.forward(x)), rtol=1e-12)


@pytest.mark.no_plugins
def test_nested_sequential_is_one_node():
    inner = Sequential(layers(), name="inner")
    graph = Sequential(inner, FullyConnected(3, 2))
    assert len(graph.nodes) == 2 and len(graph.layers()) == 3
    assert Model(graph).predict(np.ones((5, 4))).shape == (5, 2)


@pytest.mark.no_plugins
def test_repeated_layer_shares_its_weights():
    dense = FullyConnected(4, 4)
    assert len(Sequential(dense, dense).layers()) == 1


@pytest.mark.no_plugins
def test_model_trains_and_loads_from_file(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4))
    labels = (x[:, 0] > 0).astype(int)
    model = Model(Sequential(layers(), shape="batch, feature=4"))
    history = model.fit(x, labels, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=20, seed=0)
    assert history.epochs[-1].loss < history.epochs[0].loss
    model.save(tmp_path / "run")
    loaded = graphnet.load(tmp_path / "run")
    assert loaded.graph == model.graph
    assert_array_equal(loaded.predict(x), model.predict(x))


@pytest.mark.no_plugins
def test_axes_stay_open_for_rows():
    for first in (FullyConnected(4, 3), Flatten()):
        assert Sequential(first).inputs["x"].shape is None


@pytest.mark.no_plugins
def test_embedding_input_is_integer():
    assert Sequential(Embedding(10, 4), Flatten()).inputs["x"].integer


def test_axes_of_a_sequence_are_declared():
    recurrent = pytest.importorskip("graphnet_recurrent")
    graph = Sequential(recurrent.LSTM(4, 8, None), Last())
    assert graph.inputs["x"].shape.names == ("time", "batch", "feature")
    tokens = Sequential(Embedding(10, 4), recurrent.LSTM(4, 8, None), Last())
    assert tokens.inputs["x"].shape.names == ("time", "batch")
    assert Model(graph).predict([np.ones((5, 4)), np.ones((2, 4))]).shape == (2, 8)


@pytest.mark.no_plugins
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), graphnet.ConfigError, "there are no layers"),
        (([],), graphnet.ConfigError, "there are no layers"),
        ((FullyConnected(2, 2), 3), graphnet.ConfigError, r"position 1: not a layer.*received 3"),
        ((Flatten,), graphnet.ConfigError, r"the class Flatten.*Flatten\(…\)"),
        ((Subtract(),), graphnet.GraphError, "wrong number of inputs for Subtract"),
    ],
)
def test_bad_arguments_raise(arguments, error, message):
    with pytest.raises(error, match=message):
        Sequential(*arguments)


# ---------------------------------------------------------------------- summary and explain
@pytest.mark.no_plugins
@pytest.mark.parametrize("wrap", [lambda graph: graph, Model, Runner], ids=["graph", "model", "runner"])
def test_summary_and_explain_take_models_and_graphs(wrap):
    target = wrap(Sequential(layers(), shape="batch, feature=4"))
    text = str(graphnet.summary(target))
    assert "total: 67 parameters" in text and repr(graphnet.summary(target)) == text
    assert "fully_connected" in str(graphnet.explain(target))


@pytest.mark.no_plugins
@pytest.mark.parametrize("function", [graphnet.summary, graphnet.explain])
def test_inspecting_a_layer_names_the_remedy(function):
    with pytest.raises(graphnet.ConfigError, match=r"graphnet\.Sequential\(layer\)"):
        function(FullyConnected(2, 2))
    with pytest.raises(graphnet.ConfigError, match="there is no graph to inspect"):
        function(3)
