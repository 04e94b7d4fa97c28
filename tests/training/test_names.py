"""Objects by their names, in Python and in model files, by one rule of spelling."""

from __future__ import annotations

import re

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Model, NeuralNetwork, Runner, TrainingConfig
from graphnet.core.errors import ConfigError, PluginError
from graphnet.initializers import Constant, He, Xavier
from graphnet.io import parse_model
from graphnet.io.fields import fields_of
from graphnet.losses import BinaryCrossEntropy, CrossEntropy, Hinge, MeanSquaredError
from graphnet.metrics import F1, Accuracy, MeanAbsoluteError, RootMeanSquaredError
from graphnet.optimizers import AdamW, RMSprop, SgdWithMomentum
from graphnet.optimizers.schedules import LinearDecay, Warmup
from graphnet.plugins import Entry, Registry, manager
from graphnet.training.config import NAMED

FILE = """
format: graphnet/1
name: m
inputs: {x: 'batch, feature=2'}
nodes:
  y: {layer: fully_connected, with: {input_size: 2, output_size: 2}, inputs: x}
outputs: {NAME: y}
training: {TRAINING}
"""


def parsed(training, name="y"):
    return parse_model(FILE.replace("NAME", name).replace("{TRAINING}", training)).training


@pytest.mark.parametrize("name", ["AdamW", "adam_w", "adamw", "Adam-W", "graphnet-framework/adam_w", "graphnet/AdamW"])
def test_spellings_of_one_name(name):
    assert TrainingConfig(optimizer=name) == TrainingConfig(optimizer=AdamW()) == parsed(f"{{optimizer: {name}}}")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"loss": "mse"}, {"loss": MeanSquaredError()}),
        ({"loss": "cross_entropy"}, {"loss": CrossEntropy()}),
        ({"loss": {"y": "bce"}}, {"loss": {"y": BinaryCrossEntropy()}}),
        ({"optimizer": "rmsprop"}, {"optimizer": RMSprop()}),
        ({"optimizer": "sgd_with_momentum"}, {"optimizer": SgdWithMomentum()}),
        ({"metrics": ["accuracy", "f1"]}, {"metrics": (Accuracy(), F1())}),
        ({"metrics": "accuracy", "loss": "bce"}, {"metrics": Accuracy(binary=True), "loss": BinaryCrossEntropy()}),
        ({"loss": "mse", "metrics": ["mae", "rmse"]},
         {"loss": MeanSquaredError(), "metrics": (MeanAbsoluteError(), RootMeanSquaredError())}),
        ({"weights_initializer": "he"}, {"weights_initializer": He()}),
    ],
)  # fmt: skip
def test_names_stand_for_objects(settings, expected):
    import yaml

    assert (
        TrainingConfig(**settings)
        == TrainingConfig(**expected)
        == parsed(yaml.safe_dump(settings, default_flow_style=True))
    )


def test_a_model_trains_by_names():
    g = Builder("m")
    model = Model(g.build(FullyConnected(2, 2)(g.input("x", "batch, feature=2"))))
    settings = {"loss": "cross_entropy", "optimizer": "adam", "metrics": ["accuracy", "auc"], "epochs": 1}
    history = model.fit([[0.0, 1.0], [1.0, 0.0]], [0, 1], **settings)
    assert set(history.epochs[0].metrics) == {"accuracy", "auc"}


def test_outputs_that_are_called_as_losses():
    assert parsed("{loss: {hinge: cross_entropy}}", "hinge").loss == {"hinge": CrossEntropy()}
    assert parsed("{loss: {hinge: {CrossEntropy: {label_smoothing: 0.5}}}}", "hinge").loss == {
        "hinge": CrossEntropy(label_smoothing=0.5)
    }
    assert parsed("{loss: {hinge: {margin: 2.0}}}").loss == Hinge(margin=2.0)


def test_what_is_refused():
    for settings, error, text in [
        ({"loss": "crossentropi"}, ConfigError, "loss: unknown loss.*CrossEntropy"),
        ({"optimizer": "l2_regularizer"}, ConfigError, "optimizer"),
        ({"regularizer": "l2_regularizer"}, ConfigError, r"by its name alone.*alpha.*L2_Regularizer\(\.\.\.\)"),
        ({"metrics": ["accuracy", 3]}, ConfigError, "metrics"),
    ]:
        with pytest.raises(error, match=text) as caught:
            TrainingConfig(**settings)
        assert caught.value.key_path == (next(iter(settings)),)


def test_an_exact_name_wins_and_equal_spellings_are_refused():
    def entry(name):
        return Entry("losses", name, lambda: None, "a", "1")

    registry = Registry()
    registry.add([entry("MyLoss"), entry("my_loss")])
    assert registry.get("losses", "MyLoss").name == "MyLoss" and registry.get("losses", "my_loss").name == "my_loss"
    with pytest.raises(PluginError, match="a/MyLoss or a/my_loss"):
        registry.get("losses", "myloss")


REGISTERED = [
    (field, kind, entry.name)
    for field, kind in {**NAMED, "schedule": "schedules"}.items()
    if field != "bias_initializer"
    for entry in manager().registry.entries(kind)
]


def spellings(name):
    """The name itself, in lower case, and with underscores between its words."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return dict.fromkeys([name, name.lower(), snake, snake.replace("_", "-")])


@pytest.mark.parametrize(("field", "kind", "name"), REGISTERED, ids=lambda part: str(part))
def test_every_registered_name_works_as_in_a_file(field, kind, name):
    several = field in ("metrics", "callbacks")
    if field == "schedule" and name.lower() in ("cosine",):
        return  # the short form of this name, with decay and decay_epochs

    def in_python(spelling):
        return TrainingConfig(**{field: [spelling] if several else spelling})

    def in_file(spelling):
        return parsed(f"{{{field}: {f'[{spelling}]' if several else spelling}}}")

    needs_settings = any(part.required for part in fields_of(manager().registry.get(kind, name).object).values())
    for spelling in spellings(name):
        if needs_settings:
            for make in (in_python, in_file):
                with pytest.raises(ConfigError, match=name):
                    make(spelling)
        else:
            made = in_python(spelling)
            assert made == in_file(spelling)
            found = getattr(made, field)
            assert type(found[0] if several else found) is manager().registry.get(kind, name).object


def test_layers_runners_and_networks_take_names():
    layer = FullyConnected(3, 4)
    graphnet.seed(1)
    layer.initialize("xavier")
    drawn = layer.get_weights()
    graphnet.seed(1)
    layer.initialize(Xavier(), Constant(0.0))
    assert np.array_equal(drawn, layer.get_weights()) and not drawn[-1].any() and drawn[:-1].std() > 0.1
    layer.set_optimizer("rms-prop")
    assert type(layer.optimizer) is RMSprop
    g = Builder("m")
    runner = Runner(g.build(FullyConnected(3, 4)(g.input("x", "batch, feature=3"), name="dense")))
    graphnet.seed(1)
    runner.initialize("Xavier")
    assert np.array_equal(runner.parameters["dense/weights"].value, drawn)
    network = NeuralNetwork("sgd_with_momentum", "he", "uniform_random")
    assert type(network.optimizer) is SgdWithMomentum and type(network.weights_initializer) is He
    for wrong in (
        lambda: layer.initialize("xaver"),
        lambda: runner.initialize("constant"),
        lambda: layer.set_optimizer("x"),
    ):
        with pytest.raises(
            ConfigError, match="FullyConnected.weights_initializer|Runner.weights_init|FullyConnected.optim"
        ):
            wrong()


def test_a_name_inside_a_schedule():
    with pytest.raises(ConfigError, match=r"Warmup.then.*unknown schedule"):
        Warmup(3, then="no_such")
    by_epoch = Warmup(3, then="linear_decay", by="epoch")
    assert repr(by_epoch) == repr(Warmup(3, then=LinearDecay(), by="epoch"))
    assert repr(by_epoch) == repr(parsed("{schedule: {warmup: {length: 3, then: linear_decay, by: epoch}}}").schedule)
