"""Targets that a loss compares as numbers: integers must be exact, and floats finite, in the dtype in use."""

from __future__ import annotations

import numpy as np
import pytest

import graphnet
from graphnet import Builder, DataError, FullyConnected, Model, TrainingConfig
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.metrics import MeanAbsoluteError, RootMeanSquaredError

pytestmark = pytest.mark.no_plugins

X = np.zeros((3, 2), np.float32)


def model(**settings):
    g = Builder("line")
    graph = g.build(FullyConnected(2, 1)(g.input("x", "batch, feature=2")))
    return Model(graph, TrainingConfig(loss=MeanSquaredError(), epochs=1, **settings))


def targets(value, dtype):
    y = np.zeros((3, 1), dtype)
    y[1] = value
    return y


@pytest.mark.parametrize(
    ("value", "dtype", "settings", "message"),
    [
        (2**24 + 1, np.int64, {}, "float32 cannot represent exactly.*received 16777217"),
        (2**24 + 1, np.uint32, {}, "float32 cannot represent exactly"),
        (2**53 + 1, np.int64, {"dtype": "float64"}, "float64 cannot represent exactly"),
        (1e39, np.float64, {}, r"too large for float32.*dtype='float64' in TrainingConfig and in the layers"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_inexact_target_is_refused(method, value, dtype, settings, message):
    m = model(**settings)
    before = {name: p.value for name, p in m.runner.parameters.items()}
    with pytest.raises(DataError, match=message) as caught:
        getattr(m, method)(X, targets(value, dtype))
    assert "target of 'output'" in str(caught.value) and "(1, 0)" in str(caught.value)
    assert all(p.value is before[name] for name, p in m.runner.parameters.items() if name in before)


@pytest.mark.parametrize(
    ("value", "dtype", "settings"),
    [(2**24 + 2, np.int64, {}), (2**24, np.int32, {}), (2**24 + 1, np.int64, {"dtype": "float64"})],
)
def test_exact_target_is_accepted(value, dtype, settings):
    model(**settings).evaluate(X, targets(value, dtype))


def test_masked_targets_are_not_checked():
    mask = np.array([True, False, True])
    MeanSquaredError().check_numbers(targets(2**24 + 1, np.int64), "float32", mask)
    assert MeanSquaredError().value(X[:, :1], targets(2**24 + 1, np.int64), mask) == 0


@pytest.mark.parametrize("prediction", [np.float32, np.float64])
def test_loss_refuses_inexact_target(prediction):
    value = {np.float32: 2**24 + 1, np.float64: 2**53 + 1}[prediction]
    with pytest.raises(DataError, match="cannot represent exactly"):
        MeanSquaredError().value(np.zeros((3, 1), prediction), targets(value, np.int64))


@pytest.mark.parametrize("metric", [MeanAbsoluteError, RootMeanSquaredError])
def test_metric_refuses_inexact_target(metric):
    with pytest.raises(DataError, match="float64 cannot represent exactly"):
        metric().update(np.zeros((3, 1)), targets(2**53 + 1, np.int64))
    metric().update(np.zeros((3, 1), np.float32), targets(2**24 + 1, np.int64))


def test_class_labels_are_not_compared_as_numbers():
    CrossEntropy().check_numbers(np.array([2**60]), "float32")


def test_weights_that_overflow_are_refused():
    layer = FullyConnected(1, 1, dtype="float32")
    with pytest.raises(DataError, match="too large for float32"):
        layer.set_weights([[1e39], [0.0]])
    with pytest.raises(DataError, match="too large for float32"):
        layer.weights = [[1e39], [0.0]]


class Huge:
    """An optimizer whose new weights are finite in float64 only."""

    def calculate_update(self, individual_delta, weight_tensor, gradient_tensor):
        return weight_tensor.astype(np.float64) + 1e39


def test_update_that_overflows_is_refused():
    layer = FullyConnected(1, 1, dtype="float32")
    layer.set_optimizer(Huge())
    before = layer.get_weights()
    layer.forward(np.ones((1, 1), np.float32))
    with pytest.raises(graphnet.RuleError, match="not finite"):
        layer.backward(np.ones((1, 1), np.float32))
    np.testing.assert_array_equal(layer.get_weights(), before)
