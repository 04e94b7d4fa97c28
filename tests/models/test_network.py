"""NeuralNetwork: a list of layers, run as a chain graph and, in between, by the layers' own protocol."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from graphnet import (
    BatchNormalization,
    ConfigError,
    Dropout,
    FullyConnected,
    GraphError,
    Layer,
    NeuralNetwork,
    Phase,
    RuleError,
    StateError,
    seed,
)
from graphnet.initializers import Constant, UniformRandom, Xavier
from graphnet.optimizers import Adam, Sgd
from graphnet.regularizers import L1_Regularizer, L2_Regularizer

pytestmark = pytest.mark.no_plugins


class Batches:
    """Other rows at each call."""

    def __init__(self, n=200, features=5, classes=3, size=16):
        rng = np.random.default_rng(7)
        self.x = rng.normal(size=(n, features))
        self.y = np.eye(classes)[(self.x @ rng.normal(size=(features, classes))).argmax(1)]
        self.size, self.at = size, 0

    def forward(self):
        rows = np.arange(self.at, self.at + self.size) % len(self.x)
        self.at += self.size
        return self.x[rows], self.y[rows]


class Squares:
    def forward(self, prediction, labels):
        self.prediction = prediction
        return float(((prediction - labels) ** 2).sum())

    def backward(self, labels):
        return 2 * (self.prediction - labels)


class Guessing(Squares):
    def predict(self, output):
        return output.argmax(axis=1)


class Tanh(Layer):
    """A graph layer."""

    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


class OwnTanh:
    """The same function as a student writes it: no graphnet in it."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, error):
        return error * (1 - self.y**2)


class OwnDense:
    """A trainable layer of a student, with its own optimizer."""

    def __init__(self, rows, columns):
        self.weights = np.zeros((rows + 1, columns))
        self.optimizer = None

    def initialize(self, weights_initializer, bias_initializer):
        rows, columns = self.weights.shape[0] - 1, self.weights.shape[1]
        kernel = weights_initializer.initialize((rows, columns), rows, columns)
        self.weights = np.concatenate([kernel, bias_initializer.initialize((1, columns), rows, columns)])

    def forward(self, x):
        self.x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        return self.x @ self.weights

    def backward(self, error):
        back = error @ self.weights[:-1].T
        self.weights = self.optimizer.calculate_update(1.0, self.weights, self.x.T @ error)
        return back


def network(optimizer=None, weights=None, loss=None):
    net = NeuralNetwork(optimizer or Sgd(0.01), weights or Xavier(), Constant(0.1))
    net.data_layer, net.loss_layer = Batches(), loss or Guessing()
    return net


def built(middle, optimizer=None, first=FullyConnected, seeded=3):
    seed(seeded)
    net = network(optimizer)
    net.append_trainable_layer(first(5, 8))
    net.layers.append(middle)
    net.append_trainable_layer(FullyConnected(8, 3))
    for layer, weights in zip(net.layers[::2], start(), strict=True):
        if hasattr(layer, "set_weights"):
            layer.set_weights(weights)
        else:
            layer.weights = weights
    return net


def start():
    rng = np.random.default_rng(3)
    return rng.normal(size=(6, 8)) * 0.4, rng.normal(size=(9, 3)) * 0.4


def by_hand(steps, rate=0.01):
    """The same network in plain numpy: losses, and the weights after a number of Sgd steps."""
    (a, b), data, losses = start(), Batches(), []
    for _ in range(steps):
        x, labels = data.forward()
        h = np.tanh(x @ a[:-1] + a[-1])
        p = h @ b[:-1] + b[-1]
        losses.append(((p - labels) ** 2).sum())
        e = 2 * (p - labels)
        inner = (e @ b[:-1].T) * (1 - h**2)
        b = b - rate * np.vstack([h.T @ e, e.sum(0)])
        a = a - rate * np.vstack([x.T @ inner, inner.sum(0)])
    return losses, a, b


@pytest.mark.parametrize("middle", [Tanh, OwnTanh])
def test_training_equals_the_equations(middle):
    net = built(middle())
    net.train(20)
    losses, first, last = by_hand(20)
    np.testing.assert_allclose(net.loss, losses, rtol=1e-12)
    np.testing.assert_allclose(net.layers[0].get_weights(), first, rtol=1e-10)
    np.testing.assert_allclose(net.layers[2].get_weights(), last, rtol=1e-10)


def test_foreign_trainable_layer_is_initialized():
    net = built(Tanh(), first=OwnDense)
    net.train(20)
    losses, first, _ = by_hand(20)
    np.testing.assert_allclose(net.loss, losses, rtol=1e-12)
    np.testing.assert_allclose(net.layers[0].weights, first, rtol=1e-10)
    assert net.layers[0].optimizer is not net.optimizer


def test_appending_initializes_with_the_networks_initializers():
    seed(9)
    net = network(weights=Constant(0.25))
    net.append_trainable_layer(FullyConnected(5, 3))
    net.append_trainable_layer(OwnDense(3, 2))
    for layer in net.layers:
        weights = layer.get_weights() if isinstance(layer, FullyConnected) else layer.weights
        assert np.all(weights[:-1] == 0.25) and np.all(weights[-1] == 0.1)


def test_overridden_forward_is_called():
    class Counting(Tanh):
        calls = 0

        def forward(self, x):
            type(self).calls += 1
            return super().forward(x)

    net = built(Counting())
    net.train(4)
    assert Counting.calls == 4
    np.testing.assert_allclose(net.loss, by_hand(4)[0], rtol=1e-12)


def test_stateful_layers_run_by_their_own_protocol():
    class Remembering(Tanh):
        stateful_protocol = True

        def forward(self, x):
            self.seen = getattr(self, "seen", 0) + len(x)
            return super().forward(x)

    net = built(Remembering())
    net.train(3)
    assert net.layers[1].seen == 48
    np.testing.assert_allclose(net.loss, by_hand(3)[0], rtol=1e-12)


def test_same_seed_same_bits():
    def run():
        seed(11)
        net = network(Adam(0.01))
        net.append_trainable_layer(FullyConnected(5, 8))
        net.layers.append(Dropout(0.7))
        net.append_trainable_layer(FullyConnected(8, 3))
        net.train(15)
        return net

    one, two = run(), run()
    assert one.loss == two.loss
    assert np.array_equal(one.layers[0].get_weights(), two.layers[0].get_weights())
    assert np.array_equal(one.test(Batches().x), two.test(Batches().x))


def test_the_network_learns():
    net = built(Tanh(), Adam(0.01))
    net.train(300)
    data = Batches()
    assert (net.test(data.x) == data.y.argmax(1)).mean() > 0.9
    assert np.mean(net.loss[-10:]) < 0.5 * np.mean(net.loss[:10])
    assert len(net.loss) == 300


@pytest.mark.parametrize("regularizer", [L1_Regularizer(0.3), L2_Regularizer(0.3)])
def test_forward_adds_every_layers_regularization_loss(regularizer):
    optimizer = Sgd(0.01)
    optimizer.add_regularizer(regularizer)
    net, plain = built(Tanh(), optimizer), built(Tanh())
    weights = [net.layers[0].get_weights(), net.layers[2].get_weights()]
    if isinstance(regularizer, L1_Regularizer):
        norm = sum(0.3 * np.abs(w).sum() for w in weights)
    else:
        norm = sum(0.3 * np.sqrt((w**2).sum()) for w in weights)
    assert net.forward() == pytest.approx(plain.forward() + norm, rel=1e-12)


def test_trainable_layers_get_optimizer_copies():
    optimizer = Adam(0.01)
    net = built(Tanh(), optimizer)
    net.train(2)
    copies = [net.layers[0].optimizer, net.layers[2].optimizer]
    assert copies[0] is not copies[1] and optimizer not in copies
    assert optimizer.step_count == 0 and [c.step_count for c in copies] == [2, 2]


def test_layers_without_an_optimizer_are_not_updated():
    seed(0)
    net = network()
    fixed = FullyConnected(5, 3)
    net.layers.append(fixed)
    before = fixed.get_weights()
    net.train(3)
    assert np.array_equal(fixed.get_weights(), before)
    assert np.abs(fixed.get_gradient_weights()).sum() > 0


def test_delta_scales_the_rate_of_one_layer():
    net = built(Tanh())
    net.layers[0].delta = 0.0
    before = net.layers[0].get_weights()
    net.train(2)
    assert np.array_equal(net.layers[0].get_weights(), before)
    assert not np.array_equal(net.layers[2].get_weights(), by_hand(0)[2])


def test_gradients_are_readable_after_backward():
    net = built(Tanh())
    for layer in net.layers[::2]:
        layer.set_optimizer(None)
    loss = net.forward()
    net.backward()
    layer, step = net.layers[0], 1e-6
    weights = layer.get_weights()
    for place in [(0, 0), (3, 7), (5, 2)]:
        moved = weights.copy()
        moved[place] += step
        layer.set_weights(moved)
        net.data_layer.at = 0
        assert (net.forward() - loss) / step == pytest.approx(layer.get_gradient_weights()[place], rel=1e-3)
        layer.set_weights(weights)


# ------------------------------------------------------------------ phase
def test_phase_is_set_and_restored():
    net = built(Dropout(0.5))
    foreign = OwnTanh()
    net.layers.append(foreign)
    assert net.phase is Phase.train
    net.phase = Phase.test
    assert [layer.phase for layer in net.layers] == [Phase.test] * 4
    net.phase = Phase.train
    net.layers[1].phase = Phase.test
    x = Batches().x
    assert np.array_equal(net.test(x), net.test(x))
    assert net.phase is Phase.train
    assert [layer.phase for layer in net.layers] == [Phase.train, Phase.test, Phase.train, Phase.train]


def test_network_phases_in_test_and_forward():
    seed(5)
    net = network(loss=Squares())
    net.layers += [Dropout(0.5)]
    net.data_layer.x = np.ones((200, 3))
    assert np.array_equal(net.test(np.ones((4, 3))), np.ones((4, 3)))
    net.forward()
    assert set(np.unique(net.loss_layer.prediction)) == {0.0, 2.0}


def test_network_test_between_passes():
    nets = [built(Tanh()), built(Tanh())]
    for net in nets:
        net.forward()
    nets[1].test(np.zeros((3, 5)))
    for net in nets:
        net.backward()
    assert np.array_equal(nets[0].layers[0].get_weights(), nets[1].layers[0].get_weights())


def test_phases_are_restored_when_a_layer_fails():
    net = built(Tanh())
    with pytest.raises(ValueError, match="features|fit|last axis"):
        net.test(np.zeros((3, 4)))
    assert net.phase is Phase.train and all(layer.phase is Phase.train for layer in net.layers)


def test_a_layer_in_another_phase_keeps_it():
    seed(2)
    net = network(loss=Squares())
    still = Dropout(0.5)
    still.phase = Phase.test
    net.layers += [still]
    net.data_layer.x = np.ones((200, 3))
    net.forward()
    assert np.array_equal(net.loss_layer.prediction, np.ones((16, 3)))


def test_running_statistics_change_only_in_train():
    seed(4)
    net = network(Sgd(0.0))
    net.append_trainable_layer(BatchNormalization(5))
    net.append_trainable_layer(FullyConnected(5, 3))
    net.train(3)
    first = net.test(np.ones((2, 5)) * 3)
    net.test(np.random.default_rng(0).normal(size=(50, 5)) * 100)
    assert np.array_equal(net.test(np.ones((2, 5)) * 3), first)


# ------------------------------------------------------------------ the list
def test_the_list_may_change_between_calls():
    net = built(Tanh())
    net.train(1)
    x = Batches().x[:4]
    net.layers.insert(2, Tanh())
    deeper = net.test(x).shape
    net.layers.pop(2)
    net.train(1)
    assert deeper == (4,)
    np.testing.assert_allclose(net.loss, by_hand(2)[0], rtol=1e-12)


def test_layer_used_twice_shares_weights():
    seed(6)
    net = network(Sgd(0.01), loss=Squares())
    shared = FullyConnected(5, 5)
    net.append_trainable_layer(shared)
    net.layers += [OwnTanh(), shared]
    x, start = Batches().x[:16], shared.get_weights()
    net.data_layer.y = np.zeros((200, 5))
    net.forward()
    net.backward()
    h = np.tanh(x @ start[:-1] + start[-1])
    e = 2 * (h @ start[:-1] + start[-1])
    inner = (e @ start[:-1].T) * (1 - h**2)
    gradient = np.vstack([h.T @ e, e.sum(0)]) + np.vstack([x.T @ inner, inner.sum(0)])
    np.testing.assert_allclose(shared.get_gradient_weights(), gradient, rtol=1e-10)
    np.testing.assert_allclose(shared.get_weights(), start - 0.01 * gradient, rtol=1e-10)


def test_sizes_may_follow_from_the_data():
    seed(8)
    net = network()
    net.append_trainable_layer(FullyConnected(None, 3))
    net.train(2)
    assert net.layers[0].get_weights().shape == (6, 3)


def test_deep_copy_trains_alike():
    net = built(Tanh(), Adam(0.01))
    net.train(3)
    twin = copy.deepcopy(net)
    net.train(3)
    assert len(twin.loss) == 3
    twin.train(3)
    assert twin.loss == net.loss


def test_a_network_can_be_pickled():
    seed(10)
    net = NeuralNetwork(Adam(0.01), Xavier(), Constant(0.1))
    net.append_trainable_layer(FullyConnected(5, 3))
    net.data_layer, net.loss_layer = Batches(), Squares()
    net.train(2)
    net.data_layer = net.loss_layer = None
    x = Batches().x
    assert np.array_equal(pickle.loads(pickle.dumps(net)).test(x), net.test(x))


# ------------------------------------------------------------------ errors
def test_missing_parts_are_named():
    net = NeuralNetwork(Sgd(0.1), UniformRandom(), Constant(0))
    with pytest.raises(StateError, match="data_layer is not set"):
        net.forward()
    net.data_layer = Batches()
    with pytest.raises(StateError, match="loss_layer is not set"):
        net.train(1)
    with pytest.raises(StateError, match="backward before forward"):
        net.backward()
    assert net.loss == []


@pytest.mark.parametrize("value", ["train", None, 1, True])
def test_a_phase_must_be_one(value):
    net = built(Tanh())
    with pytest.raises(ConfigError, match=r"Phase\.train or Phase\.test"):
        net.phase = value
    assert net.layers[0].phase is Phase.train


@pytest.mark.parametrize("value", [-1, 2.5, "3", True, None])
def test_iterations_must_be_a_count(value):
    net = built(Tanh())
    with pytest.raises(ConfigError, match="iterations must be a non-negative integer"):
        net.train(value)


def test_invalid_update_changes_no_layer():
    class Broken:
        def calculate_update(self, delta, weights, gradient):
            return np.full(weights.shape, np.nan)

    net = built(Tanh())
    net.layers[2].set_optimizer(Broken())
    before = [net.layers[i].get_weights() for i in (0, 2)]
    net.forward()
    with pytest.raises(RuleError, match="not finite"):
        net.backward()
    assert all(np.array_equal(net.layers[i].get_weights(), w) for i, w in zip((0, 2), before, strict=True))


def test_layer_without_initialize_is_refused():
    class Wrong:
        def initialize(self, shape, fan_in, fan_out):
            return np.zeros((1, 1, 7))

    net = network(weights=Wrong())
    with pytest.raises(RuleError, match="shape"):
        net.append_trainable_layer(FullyConnected(5, 3))
    assert net.layers == []


def test_layer_with_two_inputs_is_refused():
    class Pair(Layer):
        def apply(self, a, b):
            return a + b, None

        def pull(self, saved, error):
            return error, error

    net = network()
    net.layers.append(Pair())
    with pytest.raises(GraphError, match="number of inputs"):
        net.forward()


def test_an_error_names_the_layer():
    net = built(Tanh())
    net.layers.append(FullyConnected(4, 2))
    with pytest.raises(ValueError, match="fully_connected_3"):
        net.forward()


def test_refused_labels_change_nothing():
    from graphnet import BatchNormalization, DataError

    class Refusing(Squares):
        def forward(self, prediction, labels):
            if np.isnan(labels).any():
                raise DataError("NaN in the labels")
            return super().forward(prediction, labels)

    class Batches:
        def __init__(self):
            self.number = 0

        def forward(self):
            self.number += 1
            return np.arange(6.0).reshape(3, 2) * self.number, np.ones((3, 2)) * (np.nan if self.number == 2 else 1)

    def network(batches):
        seed(3)
        made = NeuralNetwork(Sgd(0.1), Xavier(), Constant(0.0))
        made.append_trainable_layer(FullyConnected(2, 2))
        made.append_trainable_layer(BatchNormalization(2))
        made.data_layer, made.loss_layer = batches, Refusing()
        made.forward()
        return made

    disturbed, twin = network(Batches()), network(Batches())
    with pytest.raises(DataError):
        disturbed.forward()
    for each in (disturbed, twin):
        each.backward()
    for a, b in zip(disturbed.layers, twin.layers, strict=True):
        np.testing.assert_array_equal(a.get_weights(), b.get_weights())
    np.testing.assert_array_equal(disturbed.test(np.ones((1, 2))), twin.test(np.ones((1, 2))))
