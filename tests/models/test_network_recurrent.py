"""Recurrent layers in a NeuralNetwork: they keep their state, and train as they do by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet import FullyConnected, NeuralNetwork, StateError, seed
from graphnet.initializers import Constant, Xavier
from graphnet.optimizers import Adam, Sgd

recurrent = pytest.importorskip("graphnet_recurrent")


class Frames:
    """Halves of one sequence, in turn; the label is the running sum of the first feature over the half."""

    def __init__(self, shape=(12, 3)):
        rng = np.random.default_rng(1)
        self.x = rng.normal(size=shape) * 0.3
        self.y = np.concatenate([np.cumsum(half[..., :1], axis=0) for half in np.split(self.x, 2)])
        self.at = 0

    def forward(self):
        half = len(self.x) // 2
        part = slice(half * (self.at % 2), half * (self.at % 2) + half)
        self.at += 1
        return self.x[part], self.y[part]


class Squares:
    def forward(self, prediction, labels):
        self.prediction = prediction
        return float(((prediction - labels) ** 2).sum())

    def backward(self, labels):
        return 2 * (self.prediction - labels)


def built(kind, shape=(12, 3), optimizer=None):
    seed(2)
    net = NeuralNetwork(optimizer or Sgd(0.02), Xavier(), Constant(0.0))
    net.data_layer, net.loss_layer = Frames(shape), Squares()
    net.append_trainable_layer(FullyConnected(3, 4))
    net.append_trainable_layer(kind(4, 5, 2, 6))
    net.append_trainable_layer(FullyConnected(2, 1))
    return net


@pytest.mark.parametrize("kind", [recurrent.RNN, recurrent.LSTM])
@pytest.mark.parametrize("shape", [(12, 3), (12, 7, 3)])
@pytest.mark.parametrize("memory", [False, True])
def test_network_equals_separate_layers(kind, shape, memory):
    net, apart = built(kind, shape), built(kind, shape)
    for each in (net, apart):
        if memory:
            each.layers[1].toggle_memory()
    net.train(4)
    losses = []
    for _ in range(4):
        x, labels = apart.data_layer.forward()
        for layer in apart.layers:
            x = layer.forward(x)
        losses.append(apart.loss_layer.forward(x, labels))
        error = apart.loss_layer.backward(labels)
        for layer in reversed(apart.layers):
            error = layer.backward(error)
    np.testing.assert_allclose(net.loss, losses, rtol=1e-12)
    for one, two in zip(net.layers, apart.layers, strict=True):
        np.testing.assert_allclose(one.get_weights(), two.get_weights(), rtol=1e-12)


def test_memory_matters_and_is_checked():
    one, two = built(recurrent.RNN), built(recurrent.RNN)
    two.layers[1].toggle_memory()
    one.train(2)
    two.train(2)
    assert one.loss[0] == two.loss[0] and one.loss[1] != two.loss[1]
    with pytest.raises(StateError, match="reset_state"):
        two.test(np.zeros((6, 4, 3)))


def test_an_lstm_learns_a_running_sum():
    net = built(recurrent.LSTM, (12, 20, 3), Adam(0.01))
    net.train(300)
    assert np.mean(net.loss[-10:]) < 0.1 * np.mean(net.loss[:10])


@pytest.mark.parametrize("layer", [recurrent.RNN, recurrent.LSTM])
def test_shared_layer_sums_its_gradients(layer):
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))

    class Data:
        def forward(self):
            return x, labels

    class Squares:
        def forward(self, prediction, labels):
            self.prediction = prediction
            return float(((prediction - labels) ** 2).sum())

        def backward(self, labels):
            return 2 * (self.prediction - labels)

    shared = layer(3, 3, None)
    network = NeuralNetwork(Sgd(0.0), Xavier(), Constant(0.1))
    network.data_layer, network.loss_layer = Data(), Squares()
    network.append_trainable_layer(shared)
    network.layers.append(shared)
    weights = shared.get_weights()
    network.forward()
    network.backward()
    result = shared.get_gradient_weights()
    for place in [(0, 0), (2, 1), (6, 2), (4, weights.shape[1] - 1)]:
        values = []
        for sign in (1, -1):
            moved = weights.copy()
            moved[place] += sign * 1e-5
            shared.set_weights(moved)
            values.append(network.forward())
        assert result[place] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)
