"""TrainingConfig: accepted and refused values, equality and changes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphnet import ConfigError, DtypeError, TrainingConfig
from graphnet.initializers import Constant, He, Xavier
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.metrics import Accuracy, MeanAbsoluteError
from graphnet.optimizers import Adam, Sgd
from graphnet.regularizers import L1_Regularizer, L2_Regularizer
from graphnet.training.schedule import schedule_of

pytestmark = pytest.mark.no_plugins


def test_defaults():
    config = TrainingConfig()
    assert isinstance(config.optimizer, Adam) and isinstance(config.loss, CrossEntropy)
    assert isinstance(config.weights_initializer, Xavier) and config.bias_initializer.value == 0
    assert config.dtype == "float32" and config.config() == {}
    assert TrainingConfig().optimizer is not config.optimizer


def test_numbers_of_numpy_and_lists_become_plain():
    config = TrainingConfig(epochs=np.int64(3), clip_norm=np.float32(2), metrics=[Accuracy()], dtype=np.float64)
    assert type(config.epochs) is int and type(config.clip_norm) is float
    assert isinstance(config.metrics, tuple) and config.dtype == "float64"
    assert TrainingConfig(metrics=Accuracy()).metrics[0].name == "accuracy"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be a positive integer; received 0"),
        ({"epochs": 2.0}, "epochs must be a positive integer"),
        ({"epochs": True}, "epochs.*True"),
        ({"batch_size": -3}, "batch_size"),
        ({"seed": -1}, "seed must be a non-negative integer"),
        ({"seed": None}, "seed"),
        ({"shuffle": 1}, "shuffle.*True or False"),
        ({"clip_norm": 0.0}, "clip_norm.*above 0, or None"),
        ({"clip_norm": math.inf}, "clip_norm.*finite"),
        ({"clip_norm": "1"}, "clip_norm.*'1'"),
        ({"validation": 1.0}, "validation.*in \\[0, 1\\)"),
        ({"validation": math.nan}, "validation"),
        ({"patience": 0}, "patience.*or None"),
        ({"threads": 0}, "threads"),
        ({"backend": "numpi"}, "backend.*numpy"),
        ({"data": ""}, "data"),
        ({"data": 3}, "data"),
        ({"loss": "CrosEntropy"}, "loss: unknown loss.*CrossEntropy"),
        ({"loss": 3}, "loss.*a Loss"),
        ({"loss": {}}, "loss"),
        ({"loss": {"scores": Adam()}}, "loss of 'scores'"),
        ({"metrics": "acuracy"}, "metrics.*Accuracy"),
        ({"metrics": (Accuracy(), Accuracy())}, "different names"),
        ({"metrics": (Accuracy,)}, "metrics"),
        ({"optimizer": Adam}, r"calculate_update.*Adam\(\.\.\.\)"),
        ({"optimizer": 0.1}, "optimizer.*calculate_update"),
        ({"weights_initializer": "Savier"}, "weights_initializer.*Xavier"),
        ({"weights_initializer": 1.0}, "weights_initializer.*initialize"),
        ({"bias_initializer": 0.0}, "bias_initializer"),
        ({"regularizer": 0.1}, "regularizer.*calculate"),
        ({"schedule": "cosinus"}, "Did you mean 'Cosine'"),
        ({"decay": 0.5}, "no effect on this schedule"),
        ({"decay_epochs": 5}, "no effect on this schedule"),
        ({"schedule": "step", "decay": 1.5}, r"decay.*in \[0, 1\]"),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**settings)


def test_refuses_a_dtype():
    with pytest.raises(DtypeError, match=r"TrainingConfig\.dtype.*float16"):
        TrainingConfig(dtype="float16")


def test_changed_takes_fields_and_suggests_names():
    config = TrainingConfig(epochs=3, metrics=(Accuracy(),))
    other = config.changed(seed=4)
    assert (other.epochs, other.seed, config.seed) == (3, 4, 0)
    assert config.changed() == config
    with pytest.raises(ConfigError, match="unknown setting 'epoch'; expected.* Did you mean 'epochs'"):
        config.changed(epoch=3)
    with pytest.raises(ConfigError, match="epochs"):
        config.changed(epochs=0)


def test_configs_compare_by_class_and_configuration():
    def made(**settings):
        return TrainingConfig(loss={"y": MeanSquaredError()}, optimizer=Sgd(0.1), metrics=(Accuracy(),), **settings)

    assert made() == made() and hash(made()) == hash(made())
    assert made() != made(epochs=5)
    assert made() != made().changed(optimizer=Sgd(0.2))
    assert made() != made().changed(optimizer=Adam(0.1))
    assert made() != made().changed(metrics=(MeanAbsoluteError(),))
    assert made() != made().changed(loss={"z": MeanSquaredError()})
    assert made(weights_initializer=He()) != made(weights_initializer=Constant(1.0))
    assert made() != "made"


def test_config_holds_what_differs_from_the_defaults():
    config = TrainingConfig(optimizer=Adam(0.5), epochs=20, seed=3, weights_initializer=Xavier())
    assert list(config.config()) == ["optimizer", "seed"]
    assert repr(config).startswith("TrainingConfig(optimizer=Adam(learning_rate=0.5")


def test_optimizer_regularizer_moves_to_config():
    optimizer = Sgd(0.1)
    optimizer.add_regularizer(L2_Regularizer(0.3))
    config = TrainingConfig(optimizer=optimizer)
    assert config.regularizer.alpha == 0.3 and config.optimizer.regularizer is None
    assert optimizer.regularizer.alpha == 0.3
    assert config.changed(regularizer=None).regularizer is None
    assert config.changed(regularizer=L1_Regularizer(0.1)).regularizer.alpha == 0.1
    with pytest.raises(ConfigError, match="two regularizers"):
        TrainingConfig(optimizer=optimizer, regularizer=L1_Regularizer(0.1))


def test_it_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        TrainingConfig().epochs = 3


def test_cosine_schedule_ends_at_decay():
    config = TrainingConfig(schedule="cosine", decay=0.2, decay_epochs=4, epochs=9)
    factors = [schedule_of(config).factor(position, 9) for position in range(9)]
    assert factors[0] == 1.0 and factors[2] == pytest.approx(0.6)
    assert factors[4:] == pytest.approx([0.2] * 5)
    assert factors == sorted(factors, reverse=True)


def test_the_backend_of_a_run():
    from graphnet import Builder, FullyConnected
    from graphnet.core.run.backend_choice import default
    from graphnet.models.model import Model
    from graphnet.training import Trainer

    g = Builder("line")
    graph = g.build(FullyConnected(1, 1)(g.input("x", "batch, feature=1")))
    config = TrainingConfig(backend="reference")
    assert Trainer(graph, config).runner.backend == Model(graph, config).runner.backend == "reference"
    assert Trainer(graph, TrainingConfig(backend="numpy")).runner.backend == "numpy"
    assert Trainer(graph).runner.backend == default()
