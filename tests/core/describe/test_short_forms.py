"""Functions that apply a new layer to values; activation=, trainable= and the two names of dropout's probability."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest

import graphnet
import graphnet_activations
import graphnet_conv
import graphnet_recurrent
from graphnet import (
    Builder,
    Composite,
    ConfigError,
    Dropout,
    FullyConnected,
    Layer,
    Model,
    NeuralNetwork,
    Runner,
    Sequential,
    StateError,
    Subgraph,
    dense,
    summary,
)
from graphnet.core.describe.naming import snake_case
from graphnet.core.errors import GraphnetError
from graphnet.initializers import Constant, He
from graphnet.io import model_text, parse_model
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Sgd
from graphnet_conv import Conv
from graphnet_recurrent import GRU, LSTM, RNN, Peephole, SequenceDropout, SequenceMask

#: Layers whose form on values is an operator, an index or a ufunc of numpy, or is spelt otherwise.
OPERATORS = {"Absolute", "Add", "Affine", "Cos", "Divide", "Exp", "Expm1", "Log", "Log1p", "LogAddExp", "Maximum",
             "Minimum", "Power", "ScalarPower", "Sin", "Slice", "Sqrt", "Subtract"}  # fmt: skip
SPELT = {"FullyConnected": "dense", "ConstantArray": "constant", "LearnedArray": "parameter", "TanH": "tanh",
         "SoftMax": "softmax", "SlotSoftMax": "slot_softmax",
         "RMSNormalization": "rms_normalization", "GatedMLP": "gated_mlp"}  # fmt: skip
BASES = {"RNNBase", "RecurrentLayer", "Layer", "Composite", "Subgraph", "Scan"}


@pytest.mark.parametrize(
    "package", [graphnet, graphnet_recurrent, graphnet_conv, graphnet_activations], ids=lambda p: p.__name__
)
def test_every_layer_has_a_function(package):
    classes = [getattr(package, name) for name in package.__all__]
    layers = {c.__name__ for c in classes if isinstance(c, type) and issubclass(c, Layer)} - OPERATORS - BASES
    assert layers
    for name in layers:
        function = getattr(package, SPELT.get(name, snake_case(name)))
        assert name in function.__doc__ and "name" in inspect.signature(function).parameters


def test_recurrent_forms_take_the_size_of_the_value():
    g = Builder("forms", dtype="float32")
    x = g.input("x", "time, batch, feature=3")
    y = graphnet_recurrent.lstm(x, 8, name="encoder")
    z = graphnet_recurrent.gru(y, 6, 2, returns="last")
    graph = g.build(z=z, w=graphnet_recurrent.rnn(y, 4, bptt_length=5), p=graphnet_recurrent.peephole(x))
    assert graph.nodes["encoder"].layer.config() == LSTM(None, 8, None, dtype="float32").config()
    assert parse_model(model_text(graph)).graph == graph
    outputs = Runner(graph).forward({"x": np.ones((5, 2, 3), "float32")})
    assert [outputs[n].shape for n in ("z", "w", "p")] == [(2, 2), (5, 2, 4), (5, 2, 3)]


def test_convolution_forms():
    g = Builder("forms")
    x = g.input("x", "batch, channel=2, y=8, x=8")
    y = graphnet_conv.pooling(graphnet_conv.conv(x, 1, (3, 3), 5, activation="relu", name="c"), 2, (2, 2))
    graph = g.build(y=y, z=graphnet_conv.conv(x, (2, 2), (2, 3, 3), 4))
    assert list(graph.nodes)[:3] == ["c", "c_relu", "pooling"]
    outputs = Runner(parse_model(model_text(graph)).graph).forward({"x": np.ones((3, 2, 8, 8))})
    assert outputs["y"].shape == (3, 5, 4, 4) and outputs["z"].shape == (3, 4, 4, 4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: graphnet_recurrent.lstm(x), "hidden_size"),
        (lambda x: graphnet_recurrent.lstm(x, 1, 2, 3, 4), "too many arguments"),
        (lambda x: graphnet_recurrent.lstm(x, 4, hidden_size=4), "given twice"),
        (lambda x: graphnet_recurrent.lstm(4), "without a value"),
        (lambda x: dense(x, 4, activation="rleu"), "ReLU"),
        (lambda x: dense(x, 4, activation=4), "not an activation"),
        (lambda x: dense(x, 4, activation=lambda v: None), "not an activation"),
    ],
)
def test_wrong_call_of_a_form_is_explained(call, words):
    with pytest.raises(GraphnetError, match=words):
        call(Builder("g").input("x", "batch, feature=4"))


@pytest.mark.parametrize("kind", range(6))
def test_activation_by_name_function_or_layer(kind):
    tanh = graphnet_recurrent.TanH
    activation = ["tanh", "TanH", np.tanh, graphnet_recurrent.tanh, tanh, tanh()][kind]
    g = Builder("g")
    graph = g.build(dense(g.input("x", "batch, feature=2"), 3, activation=activation, name="hidden"))
    assert list(graph.nodes) == ["hidden", "hidden_tanh"] and isinstance(graph.nodes["hidden_tanh"].layer, tanh)


# ---------------------------------------------------------------------- sizes from the first input
@pytest.mark.parametrize(
    ("make", "whole", "shape"),
    [
        (lambda n: FullyConnected(n, 3), 4, (2, 4)),
        (lambda n: Conv((1, 1), (n, 3, 3), 3), 4, (2, 4, 5, 6)),
        (lambda n: Conv(1, (n, 3), 3), 4, (2, 4, 5)),
        (Peephole, 4, (2, 4)),
        (lambda n: LSTM(n, 3, 2), 4, (5, 2, 4)),
        (lambda n: GRU(n, 3, None), 4, (5, 2, 4)),
        (lambda n: RNN(n, 3, 2, 2), 4, (5, 2, 4)),
        (lambda n: graphnet.BatchNormalization(n), 4, (3, 4)),
        (lambda n: graphnet.LayerNormalization(n), 4, (3, 4)),
    ],
)
def test_size_is_taken_from_the_first_input(make, whole, shape, tmp_path):
    x = np.random.default_rng(0).normal(size=shape)
    layer = make(None)
    with pytest.raises(StateError, match="not known yet"):
        layer.get_weights()
    assert "?" in str(summary(Sequential(layer)))
    with pytest.raises(GraphnetError, match="not known"):
        Model(Sequential(layer)).save(tmp_path / "early")
    layer = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    sized = make(whole)
    layer.forward(x)
    sized.set_weights(layer.get_weights())
    if hasattr(layer, "output_layer") and layer.output_layer is not None:
        sized.set_output_weights(layer.get_output_weights())
    if isinstance(layer, Conv):
        sized.bias = layer.bias
    np.testing.assert_array_equal(layer.forward(x), sized.forward(x))
    model = Model(Sequential(make(None)))
    model.runner.forward({"x": x})
    model.save(tmp_path / "model")
    loaded = graphnet.load(tmp_path / "model")
    assert {n: p.value.shape for n, p in loaded.runner.parameters.items()} == {
        n: p.value.shape for n, p in model.runner.parameters.items()
    }
    with pytest.raises(GraphnetError):
        layer.forward(np.concatenate([x, x], axis=1 if x.ndim > 2 and isinstance(layer, Conv) else -1))


# ---------------------------------------------------------------------- dropout
@pytest.mark.parametrize("layer", [Dropout, SequenceDropout, lambda *a, **k: SequenceMask(3, *a, **k)])
def test_keep_and_drop_are_the_two_sides_of_one_probability(layer):
    assert layer(0.8).probability == layer(keep=0.8).probability == layer(drop=0.2).probability == 0.8
    for given in ({}, {"probability": 0.5, "drop": 0.5}, {"keep": 0.5, "drop": 0.5}, {"keep": 0.0}, {"drop": 1.0}):
        with pytest.raises(ConfigError):
            layer(**given)
    with pytest.raises(ConfigError, match="write drop="):
        layer(rate=0.2)


@pytest.mark.parametrize("given", ["probability", "keep", "drop"])
def test_file_has_the_name_that_was_given(given):
    graph = Sequential(Dropout(**{given: 0.25}), shape="batch, feature=4")
    text = model_text(graph)
    assert f"with: {{{given}: 0.25}}" in text and parse_model(text).graph == graph
    layer = copy.deepcopy(graph.nodes["dropout"].layer)
    assert layer.config() == {given: 0.25}
    layer.probability = 0.5
    assert layer.config() == {"probability": 0.5}


# ---------------------------------------------------------------------- trainable
def frozen_graph():
    """A frozen layer, a frozen graph inside and a frozen recurrent layer, before one that is trained."""
    g = Builder("frozen")
    x = g.input("x", "time, batch, feature=4")
    h = dense(x, 5, activation="tanh", name="hidden", trainable=False)
    h = Subgraph(Sequential(FullyConnected(5, 5)), trainable=False)(h, name="inner")
    h = graphnet_recurrent.lstm(h, 3, returns="last", name="memory", trainable=False)
    return g.build(dense(h, 2, name="scores"))


def test_frozen_layers_stay_as_they_are_in_a_model_from_a_file():
    graph = frozen_graph()
    text = model_text(graph)
    assert text.count("trainable: false") == 3
    assert parse_model(text).graph == graph
    model = Model(parse_model(text).graph)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4, 6, 4)), rng.normal(size=(6, 2))
    model.fit(x, y, loss=MeanSquaredError(), epochs=1, optimizer=Sgd(0.1), verbose=False)
    before = {n: p.value.copy() for n, p in model.runner.parameters.items()}
    model.fit(x, y, loss=MeanSquaredError(), epochs=1, optimizer=Sgd(0.1), verbose=False, warm_start=True)
    changed = {n for n, p in model.runner.parameters.items() if (p.value != before[n]).any()}
    assert changed == {"scores/weights"}
    assert "total: 171 parameters, 163 of them frozen" in str(summary(model))


def test_frozen_layer_by_hand_and_in_a_list():
    layer = FullyConnected(4, 3, trainable=False)
    network = NeuralNetwork(Sgd(0.5), He(), Constant(0.0))
    network.append_trainable_layer(layer)
    before = layer.get_weights()
    assert (before[:-1] != 0).any() and not before[-1].any()
    layer.forward(np.ones((2, 4)))
    layer.backward(np.ones((2, 3)))
    np.testing.assert_array_equal(layer.get_weights(), before)
    assert layer.get_gradient_weights().all()
    layer.trainable = True
    assert "trainable" not in layer.config()
    layer.forward(np.ones((2, 4)))
    layer.backward(np.ones((2, 3)))
    assert (layer.get_weights() != before).all()


@pytest.mark.parametrize("wrong", [0, None, "no"])
def test_trainable_is_a_truth_value(wrong):
    with pytest.raises(ConfigError, match="trainable"):
        FullyConnected(4, 3, trainable=wrong)
    with pytest.raises(ConfigError, match="trainable"):
        Dropout(0.5, trainable=False)


def test_own_layer_takes_trainable():
    class Own(Composite):
        """A graph of one layer."""

        size: int

        def build(self):
            return Sequential(FullyConnected(self.size, self.size))

    assert Own(3, trainable=False).delta == 0.0 and repr(Own(3, trainable=False)) == "Own(size=3, trainable=False)"
    assert re.match(r".*trainable", str(inspect.signature(Own)))


@pytest.mark.parametrize(
    "wrong", [lambda x: dense(x), lambda x: graphnet_conv.conv(x, 8, 3), lambda x: dense(x, 3, unit=2)]
)
def test_wrong_arguments_of_short_forms(wrong):
    with pytest.raises(graphnet.GraphnetError, match="missing a required argument|unexpected keyword"):
        wrong(Builder("g").input("x", "batch, channel=2, y=7, x=6"))
