"""Objects by their names, in Python and in model files, by one rule of spelling."""

from __future__ import annotations

import pytest

from graphnet import Builder, FullyConnected, Model, TrainingConfig
from graphnet.core.errors import ConfigError, PluginError
from graphnet.initializers import He
from graphnet.io import parse_model
from graphnet.losses import BinaryCrossEntropy, CrossEntropy, Hinge, MeanSquaredError
from graphnet.metrics import F1, Accuracy, MeanAbsoluteError, RootMeanSquaredError
from graphnet.optimizers import AdamW, RMSprop, SgdWithMomentum
from graphnet.plugins import Entry, Registry

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
