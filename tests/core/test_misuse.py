"""Calls, names and assignments that do not exist end in an error of graphnet that says what to write."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Model, Runner, Sequential, Shape, Trainer, TrainingConfig
from graphnet import GraphnetError as Error
from graphnet.core.attributes import FixedAttributeError, MissingAttributeError
from graphnet.models.train_file import prepare

X = np.arange(12.0).reshape(3, 4)


def net():
    return Sequential(FullyConnected(4, 3), FullyConnected(3, 2), shape="batch, feature=4")


def model():
    return Model(net())


CALLS = {
    "Model.fit": lambda: model().fit(),
    "Model.predict, a second array": lambda: model().predict(X, X),
    "Model.predict, a setting of Keras": lambda: model().predict(X, verbose=0),
    "Model.evaluate": lambda: model().evaluate(X, [0, 1, 0], batch_size=2),
    "Trainer": lambda: Trainer(net(), epochs=3),
    "Runner": lambda: Runner(net(), dtype="half"),
    "Runner.forward": lambda: Runner(net()).forward(x=X),
    "a layer's forward": lambda: FullyConnected(4, 3).forward(X, training=True),
    "a layer": lambda: FullyConnected(4, 3)(X, training=True),
    "Sequential": lambda: Sequential(FullyConnected(4, 3), input_shape=(4,)),
    "an optimizer": lambda: graphnet.optimizers.Adam(lr=0.1),
    "a loss": lambda: graphnet.losses.CrossEntropy(smoothing=0.1),
    "a regularizer": lambda: graphnet.regularizers.L2_Regularizer(),
    "a data set": lambda: graphnet.datasets.Dataset(X, X),
    "Shape": lambda: Shape("batch"),
    "Graph": lambda: graphnet.Graph(),
    "summary": lambda: graphnet.summary(model(), X),
    "NeuralNetwork": lambda: graphnet.NeuralNetwork(layers=[4, 2]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_wrong_arguments_name_the_right_ones(call):
    with pytest.raises(TypeError) as caught:
        call()
    assert isinstance(caught.value, Error)
    assert caught.value.where and caught.value.expected and caught.value.received


def test_a_type_error_of_the_code_inside_is_not_taken_for_wrong_arguments():
    class Odd(graphnet.Layer):
        def apply(self, x):
            return len(3), None

    with pytest.raises((TypeError, Error), match="has no len"):
        Odd().forward(X)


MISSING = {
    "graphnet.Dense": (lambda: graphnet.Dense, "FullyConnected"),
    "graphnet.Sequental": (lambda: graphnet.Sequental, "'Sequential'"),
    "losses": (lambda: graphnet.losses.MSELoss, "MeanSquaredError"),
    "layers": (lambda: graphnet.layers.Dropuot, "'Dropout'"),
    "datasets": (lambda: graphnet.datasets.lod, "'load'"),
    "Model.compile": (lambda: model().compile(loss="mse"), "fit"),
    "Model.pedict": (lambda: model().pedict, "'predict'"),
    "Trainer.train": (lambda: Trainer(net()).train, "fit"),
    "Runner.forwrad": (lambda: Runner(net()).forwrad, "'forward'"),
    "Graph.add": (lambda: net().add(FullyConnected(2, 2)), "Sequential"),
    "Layer.weight": (lambda: FullyConnected(4, 3).weight, "get_weights"),
    "Layer.fowrard": (lambda: FullyConnected(4, 3).fowrard, "'forward'"),
}


@pytest.mark.parametrize(("read", "remedy"), MISSING.values(), ids=MISSING)
def test_a_missing_attribute_names_what_to_use(read, remedy):
    with pytest.raises(MissingAttributeError, match=re.escape(remedy)) as caught:
        read()
    assert isinstance(caught.value, AttributeError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_hasattr_and_protocols_of_python_still_work():
    for value in (model(), net(), Runner(net()), FullyConnected(4, 3)):
        assert not hasattr(value, "nosuch") and not hasattr(value, "__array__") and not hasattr(value, "_nosuch")
        assert type(copy.deepcopy(value)) is type(value)
        assert type(pickle.loads(pickle.dumps(value))) is type(value)


def test_an_attribute_error_inside_a_property_is_not_hidden():
    class Broken(Model):
        @property
        def size(self):
            return self.graph.inputs.nosuch_method()

    with pytest.raises(AttributeError, match="nosuch_method"):
        _ = Broken(net()).size


def assign(owner, name, value):
    return lambda: setattr(owner(), name, value)


@pytest.mark.parametrize(
    ("act", "remedy"),
    [
        (assign(model, "epochs", 5), "epochs=... to Model.fit"),
        (assign(model, "learning_rate", 0.1), "optimizer=Adam"),
        (assign(model, "grahp", 1), "'graph'"),
        (assign(model, "graph", 1), "another Model"),
        (assign(lambda: Trainer(net()), "epochs", 3), "epochs=..."),
        (assign(TrainingConfig, "epochs", 3), "config.changed"),
        (assign(net, "name", "other"), "build another"),
        (assign(lambda: FullyConnected(4, 3), "output_sise", 7), "'output_size'"),
    ],
)
def test_settings_and_misspelt_names_cannot_be_assigned(act, remedy):
    with pytest.raises(FixedAttributeError, match=re.escape(remedy)):
        act()


def test_derived_models_and_layers_may_have_attributes_of_their_own():
    class Mine(Model):
        pass

    class Noted(FullyConnected):
        def note(self):
            return self.notes

    mine, layer = Mine(net()), Noted(4, 3)
    mine.notes, layer.notes = "a", "b"
    assert (mine.notes, layer.note()) == ("a", "b")
    with pytest.raises(FixedAttributeError, match="notes"):
        FullyConnected(4, 3).notes = "nothing would read them"
    with pytest.raises(FixedAttributeError):
        mine.epochs = 3


@pytest.mark.parametrize(
    "act",
    [
        assign(model, "config", {"epochs": 3}),
        assign(model, "state", 3),
        lambda: model()(X),
        lambda: model().predict(X, stateful="yes"),
        lambda: model().fit(X, [0, 1, 0], warm_start="no"),
        lambda: graphnet.threads("two"),
        lambda: graphnet.using(3),
        lambda: graphnet.State(3),
        lambda: graphnet.optimizers.Adam(10**400),
        lambda: TrainingConfig(clip_norm=10**400),
        lambda: graphnet.load(""),
        lambda: model().save("a\0b"),
        lambda: model().save("x" * 300),
        lambda: graphnet.io.save_weights("w", model()),
        lambda: graphnet.io.write_model("m", model()),
    ],
)
def test_wrong_values_are_refused_at_once(act, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Error):
        act()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_not_created(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(graphnet.FileError, match="cannot be created"):
        model().save(tmp_path / "file" / "run")


def test_values_of_a_graph_cannot_be_assigned_to_or_formatted():
    x = Builder().input("x", "batch, feature=4")
    assert f"{x}" == str(x)
    for act in (lambda: x.__setitem__(0, 1), lambda: f"{x:.3f}", lambda: divmod(x, 2), lambda: 1 << x):
        with pytest.raises(graphnet.GraphError):
            act()


def test_a_name_that_is_too_long_is_no_such_file():
    name = "n" * 300
    for act in (lambda: graphnet.load(name), lambda: graphnet.datasets.npz(name)):
        with pytest.raises(graphnet.FileError):
            act()


def test_a_home_that_does_not_exist_is_no_raw_error(tmp_path):
    text = "format: graphnet/1\ninputs: {x: 'batch, feature=4'}\n"
    text += "nodes: {a: {layer: FullyConnected, with: {input_size: 4, output_size: 2}, inputs: x}}\noutputs: {y: a}\n"
    (tmp_path / "m.yaml").write_text(f"{text}training: {{data: ~nosuchuser/data.npz}}\n")
    with pytest.raises(graphnet.FileError):
        prepare(tmp_path / "m.yaml", output=tmp_path / "run")
