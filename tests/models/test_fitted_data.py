"""Arrays of a data set have the examples first, also where a graph reads time first."""

import numpy as np
import pytest

import graphnet
from graphnet import Builder, FullyConnected, Model, ShapeError, TrainingConfig
from graphnet.data.datasets import Dataset, Split
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet_recurrent import LSTM


def model(last, loss):
    g = Builder("labels")
    h = LSTM(3, 4, None)(g.input("x", "time, batch, feature=3"))
    graph = g.build(FullyConnected(4, 2)(graphnet.Last()(h) if last else h))
    return Model(graph, TrainingConfig(loss=loss, epochs=1, batch_size=4, dtype="float64"))


@pytest.mark.parametrize("steps", [6, 9])  # 6: as many as examples, where axis 0 could be taken for time
def test_an_array_of_sequences_is_a_list_of_them(steps):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, steps, 3)), rng.integers(0, 2, 6)
    data = Dataset("own", Split({"x": x}, y), Split({"x": x}, y))
    trained, other = model(True, CrossEntropy()), model(True, CrossEntropy())
    trained.fit(data)
    other.fit([*x], y)
    for path, parameter in trained.runner.parameters.items():
        np.testing.assert_array_equal(parameter.value, other.runner.parameters[path].value)
    assert trained.evaluate(data) == other.evaluate([*x], y)
    assert np.array_equal(trained.predict({"x": [*x]}), other.predict([*x]))


def test_targets_of_each_step_have_the_examples_first():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 5, 3)), rng.normal(size=(5, 5, 2))
    split = Split({"x": x}, y)
    trained, other = model(False, MeanSquaredError()), model(False, MeanSquaredError())
    trained.fit(Dataset("own", split, split))
    other.fit([*x], [*y])
    assert trained.evaluate(Dataset("own", split, split)) == other.evaluate([*x], [*y])


def test_an_error_about_examples_names_the_order_of_axes():
    x = np.random.default_rng(2).normal(size=(6, 9, 3))
    with pytest.raises(ShapeError, match=r"for \(batch, time, …\) set batch_major=True"):
        model(True, CrossEntropy()).fit(x, np.zeros(6, int))
