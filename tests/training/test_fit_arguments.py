"""The arguments of ``Model.fit``: all settings are in its signature, and unknown ones are explained."""

import copy
import dataclasses
import inspect
import pickle

import numpy as np
import pytest

import graphnet
from graphnet import FullyConnected, Model, Sequential, Trainer, TrainingConfig
from graphnet.training.config import NAMED
from graphnet.training.keep import KEEP

X, Y = np.random.default_rng(2).normal(size=(12, 3)), np.arange(12) % 3
PARAMETERS = inspect.signature(Model.fit).parameters
FIELDS = {field.name: field for field in dataclasses.fields(TrainingConfig)}


def model(**settings):
    return Model(Sequential(FullyConnected(3, 3), shape="batch, feature=3"), TrainingConfig(**settings))


def test_signature_has_every_setting():
    kept = [name for name, parameter in PARAMETERS.items() if parameter.default is KEEP]
    assert kept == [name for name in FIELDS if name != "callbacks"]
    assert all(PARAMETERS[name].kind is inspect.Parameter.KEYWORD_ONLY for name in FIELDS)
    assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in PARAMETERS.values())


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "callbacks"])
def test_types_are_those_of_the_setting(name):
    written = str(PARAMETERS[name].annotation)
    if name in NAMED:
        assert "str" in written.replace("[", " ").replace("]", " ").split()
    elif name != "classes":
        assert written == FIELDS[name].type


def test_settings_that_are_not_given_stay():
    kept = model(epochs=2, clip_norm=0.5, batch_size=5)
    kept.fit(X, Y, seed=3)
    assert kept.config == TrainingConfig(epochs=2, clip_norm=0.5, batch_size=5, seed=3)
    kept.fit(X, Y, clip_norm=None, epochs=1)  # None is a value
    assert kept.config == TrainingConfig(epochs=1, batch_size=5, seed=3)


def test_the_default_is_one_object():
    assert copy.deepcopy(KEEP) is copy.copy(KEEP) is pickle.loads(pickle.dumps(KEEP)) is KEEP and repr(KEEP) == "KEEP"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"batchsize": 3}, "Did you mean 'batch_size'"),
        ({"optimiser": "adam"}, "Did you mean 'optimizer'"),
        ({"lr": 0.1}, "belongs to the optimizer"),
        ({"learning_rate": 0.1}, "belongs to the optimizer"),
        ({"validation_split": 0.1}, "validation=0.2"),
        ({"weight_decay": 0.1}, "AdamW"),
    ],
)
@pytest.mark.parametrize("call", [lambda **a: model().fit(X, Y, **a), TrainingConfig], ids=["fit", "config"])
def test_unknown_names_are_explained(call, arguments, remedy):
    with pytest.raises(graphnet.ConfigError, match=remedy) as caught:
        call(**arguments)
    assert caught.value.key_path == (next(iter(arguments)),) and len(str(caught.value)) < 600


def test_trainer_says_where_settings_belong():
    with pytest.raises(graphnet.ConfigError, match="pass epochs=... to Model.fit, or to TrainingConfig"):
        Trainer(model().graph).fit(X, Y, epochs=3)


def test_callbacks_by_name():
    with pytest.raises(graphnet.ConfigError, match="time_limit|TimeLimit"):  # it needs a number
        model().fit(X, Y, callbacks=["time_limit"])
    with pytest.raises(graphnet.ConfigError, match="unknown callback"):
        model().fit(X, Y, callbacks=["no_such_callback"])
