"""The names of later editions of the exercise, beside those of the contract."""

from __future__ import annotations

import copy
from enum import Enum

import numpy as np
import pytest

from graphnet import (
    BatchNormalization,
    ConfigError,
    DataError,
    Dropout,
    FullyConnected,
    NeuralNetwork,
    Phase,
    ShapeError,
    StateError,
)
from graphnet.core.arguments import ArgumentError
from graphnet.core.attributes import FixedAttributeError
from graphnet.initializers import Constant, UniformRandom, Xavier
from graphnet.losses import CrossEntropyLoss
from graphnet.optimizers import Adam, Sgd, SgdWithMomentum
from graphnet.regularizers import L1_Regularizer, L2_Regularizer, Regularizer

activations = pytest.importorskip("graphnet_activations")
convolutions = pytest.importorskip("graphnet_conv")
recurrent = pytest.importorskip("graphnet_recurrent")
RNG = np.random.default_rng(11)


def numeric(f, x, step=1e-6):
    """Central differences of a number with respect to an array that f reads."""
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        before = x[at]
        x[at] = before + step
        above = f()
        x[at] = before - step
        gradient[at] = (above - f()) / (2 * step)
        x[at] = before
    return gradient


# ---------------------------------------------------------------------- phases
def test_testing_phase_is_the_phase():
    layer, x = Dropout(0.3), np.ones((40, 50))
    assert layer.testing_phase is False
    layer.testing_phase = True
    assert layer.phase is Phase.test
    np.testing.assert_array_equal(layer.forward(x), x)
    layer.testing_phase = np.False_
    assert layer.phase is Phase.train
    assert abs((layer.forward(x) == 0).mean() - 0.7) < 0.06


class Threes:
    """A data layer of later editions."""

    def next(self):
        return RNG.normal(size=(4, 3)), np.zeros((4, 3))


def test_layers_stay_in_the_test_phase_until_the_network_goes_on():
    net = NeuralNetwork(Sgd(0.1), Constant(0.1), Constant(0.0))
    own = Recorder()
    for layer in (BatchNormalization(3), Dropout(0.5), own):
        net.append_layer(layer)
    net.layers[1].testing_phase = True  # frozen by its user
    net.data_layer, net.loss_layer = Threes(), Squares()
    net.train(2)
    for _ in range(2):
        net.test(np.ones((2, 3)))
        assert [layer.testing_phase for layer in net.layers] == [True, True, False]
        assert net.phase is Phase.test
    net.forward()
    assert [layer.testing_phase for layer in net.layers] == [False, True, False]
    assert net.phase is Phase.train
    assert own.seen == [False, False, True, True, False]
    net.test(np.ones((2, 3)))
    net.phase = Phase.test
    net.forward()
    assert own.seen[-1] is True


def test_testing_phase_takes_truth_values_only():
    with pytest.raises(ConfigError, match="testing_phase"):
        Dropout(0.5).testing_phase = "yes"


class Recorder:
    """A layer by a student: reads its testing phase."""

    def __init__(self):
        self.testing_phase = False
        self.seen = []

    def forward(self, x):
        self.seen.append(self.testing_phase)
        return x

    def backward(self, error):
        return error


class OwnPhase(Enum):
    train = 1
    test = 2


class OldRecorder(Recorder):
    """One by the contract, with an enumeration of its own."""

    def __init__(self):
        super().__init__()
        self.phase = OwnPhase.train

    def forward(self, x):
        self.seen.append(self.phase)
        return x


class Squares:
    def forward(self, prediction, labels):
        self.prediction = prediction
        return float(((prediction - labels) ** 2).sum())

    def backward(self, labels):
        return 2 * (self.prediction - labels)


class Rows:
    """A data layer of a later edition."""

    def __init__(self):
        self.count = 0

    def next(self):
        self.count += 1
        return np.full((3, 2), 0.1 * self.count), np.ones((3, 2))


def test_a_students_layer_is_in_the_test_phase_inside_test():
    network = NeuralNetwork(Sgd(0.1))
    new, old = Recorder(), OldRecorder()
    network.data_layer, network.loss_layer = Rows(), Squares()
    network.append_layer(new)
    network.append_layer(old)
    network.train(1)
    network.test(np.ones((3, 2)))
    network.train(1)
    assert new.seen == [False, True, False]
    assert old.seen == [OwnPhase.train, OwnPhase.test, OwnPhase.train]
    network.testing_phase = True
    assert new.testing_phase is True and old.phase is OwnPhase.test


def test_attributes_that_a_students_layer_did_not_have_are_gone_after_test():
    class Plain:
        def forward(self, x):
            return x

    network, layer = NeuralNetwork(None), Plain()
    network.append_layer(layer)
    network.test(np.ones((2, 2)))
    assert vars(layer) == {}


# ---------------------------------------------------------------------- memory, gradients
@pytest.mark.parametrize("name", ["RNN", "LSTM"])
def test_memorize_is_toggle_memory(name):
    layer, x = getattr(recurrent, name)(13, 7, 5), RNG.normal(size=(6, 13))
    assert layer.memorize is False
    first = layer.forward(x)
    np.testing.assert_array_equal(layer.forward(x), first)
    layer.memorize = True
    layer.memorize = True
    assert layer.memory
    assert np.abs(layer.forward(x) - first).max() > 1e-6
    layer.toggle_memory()
    assert layer.memorize is False
    with pytest.raises(ConfigError, match="memorize"):
        layer.memorize = 2


@pytest.mark.parametrize(
    "build",
    [
        lambda: FullyConnected(4, 3),
        lambda: recurrent.RNN(4, 6, 3),
        lambda: recurrent.LSTM(4, 2, 3),
    ],
)
def test_weights_and_gradient_weights(build):
    layer, x, target = build(), RNG.normal(size=(5, 4)), RNG.normal(size=(5, 3))
    layer.initialize(UniformRandom(), Constant(0.1))
    assert not hasattr(layer, "gradient_weights")
    weights = layer.weights.copy()

    def loss():
        layer.weights = weights
        return 0.5 * float(((layer.forward(x) - target) ** 2).sum())

    expected = numeric(loss, weights)
    layer.weights = weights
    layer.backward(layer.forward(x) - target)
    assert layer.gradient_weights.shape == layer.weights.shape
    np.testing.assert_allclose(layer.gradient_weights, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("build", "shape"),
    [(lambda: convolutions.Conv([2, 1], (3, 5, 8), 4), (2, 3, 10, 14)), (lambda: BatchNormalization(3), (7, 3))],
)
def test_gradient_bias(build, shape):
    layer, x = build(), RNG.normal(size=shape)
    assert not hasattr(layer, "gradient_bias")
    error = RNG.normal(size=layer.forward(x).shape)
    layer.backward(error)
    axes = (0, *range(2, error.ndim))
    np.testing.assert_allclose(layer.gradient_bias, error.sum(axes), rtol=1e-12)
    assert layer.gradient_weights.shape == layer.weights.shape


def test_an_attribute_that_a_layer_does_not_know_is_an_error():
    for layer in (Dropout(0.5), recurrent.RNN(2, 3, 1), convolutions.Conv(1, (1, 3), 2), activations.ReLU()):
        with pytest.raises(FixedAttributeError, match="remember"):
            layer.remember = True
    with pytest.raises(FixedAttributeError, match="gradient_weights cannot be set"):
        FullyConnected(2, 2).gradient_weights = 3
    layer = FullyConnected(2, 2)
    layer.optimizer = Sgd(1)
    layer.delta = 0.5
    layer.weights = np.ones((3, 2))


# ---------------------------------------------------------------------- optimizers, regularizers
@pytest.mark.parametrize("build", [lambda: Sgd(0.3), lambda: SgdWithMomentum(0.3, 0.8), lambda: Adam(0.3, 0.9, 0.99)])
def test_updates_without_delta(build):
    with_delta, without, by_name = build(), build(), build()
    for optimizer in (with_delta, without, by_name):
        optimizer.add_regularizer(L1_Regularizer(0.2))
    weights = RNG.normal(size=(3, 4))
    for _ in range(4):
        gradient = RNG.normal(size=(3, 4))
        new = with_delta.calculate_update(1.0, weights, gradient)
        np.testing.assert_array_equal(new, without.calculate_update(weights, gradient))
        np.testing.assert_array_equal(new, by_name.calculate_update(weight_tensor=weights, gradient_tensor=gradient))
        weights = new


def test_updates_of_numbers():
    sgd, momentum = Sgd(1.0), SgdWithMomentum(1.0, 0.9)
    assert [sgd.calculate_update(1.0, 1.0), sgd.calculate_update(0.0, 1.0)] == [0.0, -1.0]
    assert [momentum.calculate_update(1.0, 1.0), momentum.calculate_update(0.0, 1.0)] == pytest.approx([0.0, -1.9])
    with pytest.raises(ArgumentError, match="calculate_update"):
        Sgd(1.0).calculate_update(1.0)


class Descent:
    """An optimizer of a later edition: no delta."""

    regularizer = None

    def calculate_update(self, weight_tensor, gradient_tensor):
        return weight_tensor - 0.5 * gradient_tensor


def test_a_layer_calls_an_optimizer_without_delta():
    layer, x = FullyConnected(2, 2), np.array([[1.0, 2.0]])
    layer.optimizer = Descent()
    layer.delta = 7.0  # multiplies nothing
    before = layer.get_weights()
    layer.forward(x)
    layer.backward(np.array([[1.0, -1.0]]))
    np.testing.assert_allclose(layer.weights, before - 0.5 * np.outer([1, 2, 1], [1, -1]))


class Tenth:
    def calculate_gradient(self, weights):
        return 0.1 * np.ones_like(weights)

    def norm(self, weights):
        return 0.1 * float(np.sum(weights))


def test_regularizers_with_calculate_gradient():
    optimizer = Sgd(2.0)
    optimizer.add_regularizer(Tenth())
    np.testing.assert_allclose(optimizer.calculate_update(np.ones((2, 3)), np.ones((2, 3))), 1 - 2 - 0.2)
    weights = np.ones((4, 5))
    weights[1:3, 2:4] *= -2
    np.testing.assert_allclose(L1_Regularizer(2).calculate_gradient(weights), 2 * np.sign(weights))
    np.testing.assert_allclose(L2_Regularizer(2).calculate_gradient(weights), 2 * weights)

    class Own(Regularizer):
        calculate_gradient = Tenth.calculate_gradient
        norm = Tenth.norm

    momentum = Adam(0.5)
    momentum.add_regularizer(Own(1.0))
    assert momentum.calculate_update(weights, np.zeros_like(weights)) == pytest.approx(weights - 0.05)
    with pytest.raises(ConfigError, match="calculate"):
        optimizer.add_regularizer(object())


# ---------------------------------------------------------------------- networks
def test_append_layer_takes_any_layer_and_copies_the_optimizer():
    network = NeuralNetwork(Adam(0.01), Xavier(), Constant(0.1))
    for layer in (FullyConnected(4, 3), activations.ReLU(), FullyConnected(3, 2), Recorder()):
        network.append_layer(layer)
    first, relu, second, _ = network.layers
    assert first.optimizer is not second.optimizer and first.optimizer is not network.optimizer
    assert relu.optimizer is None
    np.testing.assert_array_equal(first.weights[-1], 0.1)


def test_a_network_with_a_data_layer_that_has_next():
    network = NeuralNetwork(Sgd(0.1), Constant(0.5), Constant(0.1))
    network.data_layer, network.loss_layer = Rows(), Squares()
    network.append_layer(FullyConnected(2, 2))
    first, second = network.forward(), network.forward()
    assert first != second and network.data_layer.count == 2


def test_the_regularization_loss_of_any_layer_counts():
    class Own:
        """A trainable layer without a method for the loss."""

        trainable = True

        def __init__(self):
            self.weights = np.full((2, 2), 3.0)

        def initialize(self, weights_initializer, bias_initializer):
            pass

        def forward(self, x):
            return x

        def backward(self, error):
            return error

    for build in (Own, lambda: FullyConnected(2, 2), lambda: recurrent.RNN(2, 4, 2)):
        losses = []
        for regularizer in (None, L1_Regularizer(8e-2)):
            optimizer = Sgd(1e-3)
            if regularizer:
                optimizer.add_regularizer(regularizer)
            network = NeuralNetwork(optimizer, Constant(0.5), Constant(0.1))
            network.data_layer, network.loss_layer = Rows(), Squares()
            network.append_layer(build())
            network.train(1)
            losses.append(network.loss[0])
        assert losses[1] > losses[0]


def test_learns_with_softmax_and_cross_entropy_as_two_layers():
    class Blobs:
        def __init__(self):
            self.rng = np.random.default_rng(3)

        def next(self):
            classes = self.rng.integers(0, 3, 30)
            return np.eye(3, 4)[classes] * 3 + self.rng.normal(size=(30, 4)), np.eye(3)[classes]

    network = NeuralNetwork(Adam(0.02), Xavier(), Constant(0.0))
    network.data_layer, network.loss_layer = Blobs(), CrossEntropyLoss()
    for layer in (FullyConnected(4, 8), activations.ReLU(), Dropout(0.9), FullyConnected(8, 3), activations.SoftMax()):
        network.append_layer(layer)
    network.train(200)
    x, labels = network.data_layer.next()
    assert (network.test(x).argmax(1) == labels.argmax(1)).mean() > 0.85
    assert copy.deepcopy(network).test(x).shape == (30, 3)


# ---------------------------------------------------------------------- losses, reformat
def test_cross_entropy_of_probabilities():
    loss, labels = CrossEntropyLoss(), np.eye(4)[RNG.integers(0, 4, 9)]
    assert loss.forward(labels, labels) == pytest.approx(0, abs=1e-14)
    wrong = np.roll(labels, 1, axis=1)
    assert loss.forward(wrong, labels) == pytest.approx(9 * -np.log(np.finfo(float).eps))
    probabilities = RNG.random((9, 4))
    expected = numeric(lambda: loss.forward(probabilities, labels), probabilities, 1e-8)
    loss.forward(probabilities, labels)
    np.testing.assert_allclose(loss.backward(labels), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(DataError, match="probabilit"):
        loss.forward(labels * 5, labels)
    with pytest.raises(StateError):
        CrossEntropyLoss().backward(labels)


def test_reformat():
    layer, images = BatchNormalization(4), np.arange(5 * 4 * 6 * 7).reshape(5, 4, 6, 7)
    with pytest.raises(StateError):
        layer.reformat(np.ones((210, 4)))
    rows = layer.reformat(images)
    assert rows.shape == (210, 4)
    np.testing.assert_array_equal(rows[43], images[1, :, 0, 1])
    np.testing.assert_array_equal(layer.reformat(rows), images)
    other = BatchNormalization(4)
    other.forward(images.astype(float))
    np.testing.assert_array_equal(other.reformat(rows), images)
    with pytest.raises(ShapeError):
        other.reformat(rows[1:])
