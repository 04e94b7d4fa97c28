"""A model that could not be saved is reported before it is trained, and classes of one process can be registered."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Layer, Model, Sequential, Trainer, TrainingConfig, UnsavableWarning
from graphnet.callbacks import Callback
from graphnet.initializers import Initializer
from graphnet.io import model_text, parse_model
from graphnet.losses import CrossEntropy
from graphnet.metrics import Metric
from graphnet.optimizers import Sgd
from graphnet.optimizers.schedules import Schedule
from graphnet.plugins import PluginManager, using
from graphnet.regularizers import L2_Regularizer

X = np.random.default_rng(3).normal(size=(12, 2))
Y = np.arange(12) % 2


class Scaled(Layer):
    factor: float = 2.0

    def apply(self, x):
        return self.factor * x, ()

    def pull(self, saved, error):
        return self.factor * error


class Holding(Layer):
    function: object = None

    def apply(self, x):
        return x, ()

    def pull(self, saved, error):
        return error


class Loss(CrossEntropy):
    pass


class Optimizer:
    def __init__(self, rate=0.1):
        self.rate = rate

    def calculate_update(self, individual_delta, weight_tensor, gradient_tensor):
        return weight_tensor - self.rate * individual_delta * gradient_tensor


class Forgetful(Optimizer):
    def __init__(self, speed):
        super().__init__(speed)


@pytest.fixture(autouse=True)
def _manager():
    manager = PluginManager()
    manager.load(allow=())
    with using(manager):
        yield


def model(layer=None, **settings):
    layers = {"dense": FullyConnected(2, 2), **({} if layer is None else {"mine": layer})}
    return Model(Sequential(layers, shape="batch, feature=2"), TrainingConfig(epochs=1, **settings))


def message(model):
    with pytest.warns(UnsavableWarning) as caught:
        model.fit(X, Y)
    assert len(caught) == 1 and caught[0].filename == __file__ and len(model.history) == 1
    return str(caught[0].message)


def silent(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, Y)


def test_warning_names_the_node_the_class_and_the_remedies():
    text = message(model(Scaled()))
    assert "node 'mine': Scaled is not registered" in text and f"{__name__}.Scaled" in text
    assert "@graphnet.register" in text and "save_weights" in text


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: model(optimizer=Optimizer()), r"setting 'optimizer': .*Optimizer"),
        (lambda: model(loss=Loss()), r"setting 'loss': Loss is not registered"),
        (lambda: model(Holding(lambda x: x)), r"node 'mine': Holding is not registered"),
        (lambda: model(callbacks=[type("Mine", (Callback,), {})()]), r"setting 'callbacks': Mine is not registered"),
    ],
)
def test_everything_that_a_file_has_is_looked_at(make, pattern):
    assert re.search(pattern, message(make()))


def test_several_reasons_are_listed():
    layers = {name: Scaled(float(i)) for i, name in enumerate("abcde")}
    text = message(Model(Sequential({"d0": FullyConnected(2, 2), **layers}, shape="batch, feature=2"),
                         TrainingConfig(epochs=1, loss=Loss())))  # fmt: skip
    assert all(f"node {name!r}" in text for name in "abc") and "and 3 more" in text


def test_layer_inside_a_graph_is_found_by_its_path():
    inner = Builder("inner")
    graph = inner.build(Scaled()(inner.input("x", "batch, feature=2"), name="deep"))
    assert "node 'mine/deep'" in message(Model(Sequential({"d": FullyConnected(2, 2), "mine": graph},
                                                          shape="batch, feature=2"), TrainingConfig(epochs=1)))  # fmt: skip


def test_trainer_warns_too():
    with pytest.warns(UnsavableWarning, match="node 'mine'") as caught:
        Trainer(model(Scaled()).graph, TrainingConfig(epochs=1)).fit(X, Y)
    assert caught[0].filename == __file__


def test_registered_objects_do_not_warn():
    silent(model(optimizer=Sgd(0.1), regularizer=L2_Regularizer(0.1), metrics=["accuracy"], schedule="one_cycle"))


def test_attribute_that_cannot_be_written():
    graphnet.register(Holding)
    text = message(model(Holding(lambda x: x)))
    assert "node 'mine'" in text and "cannot be written to a file" in text
    silent(model(Holding("text")))
    graphnet.register(Forgetful)
    assert "no attribute speed" in message(model(optimizer=Forgetful(0.1)))


# ------------------------------------------------------------------ local classes
def test_registered_class_is_saved_and_loaded(tmp_path):
    graphnet.register(Scaled)
    trained = model(Scaled(3.0))
    silent(trained)
    trained.save(tmp_path / "m")
    text = (tmp_path / "m" / "model.yaml").read_text()
    assert "local/Scaled" in text and "local:" not in text
    loaded = graphnet.load(tmp_path / "m")
    assert loaded.graph == trained.graph and np.array_equal(loaded.predict(X), trained.predict(X))
    other = PluginManager()
    other.load(allow=())
    with using(other), pytest.raises(graphnet.UnknownNameError) as caught:
        graphnet.load(tmp_path / "m")
    assert "model.yaml" in str(caught.value) and "@graphnet.register, then load" in str(caught.value)
    assert "Registered layers of this process: none" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "base", "kind"),
    [
        ("optimizer", Optimizer, "optimizers"),
        ("loss", Loss, "losses"),
        ("metrics", Metric, "metrics"),
        ("callbacks", Callback, "callbacks"),
        ("weights_initializer", Initializer, "initializers"),
        ("schedule", Schedule, "schedules"),
    ],
)
def test_every_kind_can_be_registered(setting, base, kind):
    body = {"name": "mine", "update": lambda self, *a: None, "result": lambda self: 0.0, "factor": lambda self, *a: 1.0}
    body |= (
        {"initialize": lambda self, shape, fan_in=None, fan_out=None: np.zeros(shape)} if kind == "initializers" else {}
    )
    made = graphnet.register(type("Mine", (base,), body))
    from graphnet.plugins import manager

    assert (
        manager().registry.get(kind, "local/Mine").object is made
        and manager().registry.get(kind, "mine").object is made
    )
    several = setting in ("metrics", "callbacks")
    config = TrainingConfig(**{setting: ["mine"] if several else "mine"})
    text = model_text(model().graph, config)
    assert "local/Mine" in text
    read = getattr(parse_model(text).training, setting)
    assert isinstance(read[0] if several else read, made)


def test_class_that_is_defined_once_more_replaces_the_former_one(tmp_path):
    def define(times):
        class Cell(Layer):
            def apply(self, x):
                return times * x, ()

            def pull(self, saved, error):
                return times * error

        return graphnet.register(Cell)

    first = model(define(2.0)())
    silent(first)
    second = define(3.0)
    with pytest.warns(graphnet.GraphnetWarning, match="local/Cell has been registered again"):
        first.save(tmp_path / "m")  # a model of the former class is not lost
    loaded = graphnet.load(tmp_path / "m")
    assert type(loaded.graph.nodes["mine"].layer) is second
    assert np.allclose(loaded.predict(X), 1.5 * first.predict(X))


def test_local_class_does_not_change_the_meaning_of_files():
    text = model_text(Sequential(FullyConnected(2, 2), shape="batch, feature=2"))
    graphnet.register(type("FullyConnected", (Scaled,), {}))
    assert type(parse_model(text).graph.nodes["fully_connected"].layer) is FullyConnected
    assert model_text(Sequential(FullyConnected(2, 2), shape="batch, feature=2")) == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: graphnet.register(3), "not a class that files can refer to"),
        (lambda: graphnet.register(dict), "not a class that files can refer to"),
        (lambda: graphnet.register(Layer), "not a class that files can refer to"),
        (lambda: graphnet.register(Scaled, name="no name"), "not a valid name"),
        (lambda: graphnet.register(Scaled, kind="loses"), "unknown kind 'loses'.*losses"),
        (lambda: graphnet.register(Scaled, kind="losses"), "not a class of this kind"),
    ],
)
def test_register_refuses(call, message):
    with pytest.raises(graphnet.ConfigError, match=message):
        call()


def test_decorator_with_arguments():
    @graphnet.register(name="Renamed")
    class Mine(Scaled):
        pass

    assert "local/Renamed" in model_text(model(Mine()).graph)


def test_class_of_a_script(tmp_path):
    (tmp_path / "script.py").write_text(
        "import numpy as np, graphnet\n"
        "from graphnet import FullyConnected, Layer, Model, Sequential\n"
        "class Twice(Layer):\n"
        "    def apply(self, x):\n        return 2 * x, ()\n"
        "    def pull(self, saved, error):\n        return 2 * error\n"
        "model = Model(Sequential(FullyConnected(2, 2), Twice(), shape='batch, feature=2'))\n"
        "model.fit(np.eye(2), [0, 1], epochs=1)\n"
        "graphnet.register(Twice)\n"
        "model.save('m')\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, check=True)
    assert b"script.py:9: UnsavableWarning" in done.stderr and b"__main__.Twice" in done.stderr and done.stdout == b""
    assert "local/Twice" in (tmp_path / "m" / "model.yaml").read_text()
