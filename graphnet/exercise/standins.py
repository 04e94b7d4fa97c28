"""Right classes for files of the exercise that a student's layer imports and that are not there.

They have the names of both editions. What the exercise does not name, such as the attribute in which a layer keeps its
input, is called as most solutions call it.
"""

from __future__ import annotations

import copy
from enum import Enum
from typing import Any

import numpy as np


class Phase(Enum):
    """The phases of the contract."""

    train = 1
    test = 2
    validation = 3


class BaseLayer:
    """The base of the later editions' layers."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.trainable = False
        self.testing_phase = False
        self.phase = Phase.train
        self.weights: Any = None


class TanH(BaseLayer):
    """The hyperbolic tangent; any array assigned to an attribute is used as the activations."""

    _kept: Any

    @staticmethod
    def _function(x: Any) -> Any:
        return np.tanh(x)

    @staticmethod
    def _derivative(y: Any) -> Any:
        return 1 - y**2

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if isinstance(value, np.ndarray):
            object.__setattr__(self, "_kept", value)

    def forward(self, input_tensor: Any) -> Any:
        """The activations."""
        self.activations = self._function(input_tensor)
        return self.activations

    def backward(self, error_tensor: Any) -> Any:
        """The error for the input."""
        return error_tensor * self._derivative(self._kept)


class Sigmoid(TanH):
    """The logistic function."""

    @staticmethod
    def _function(x: Any) -> Any:
        return 0.5 * (np.tanh(0.5 * np.asarray(x)) + 1)

    @staticmethod
    def _derivative(y: Any) -> Any:
        return y * (1 - y)


class ReLU(TanH):
    """The positive part."""

    @staticmethod
    def _function(x: Any) -> Any:
        return np.maximum(x, 0)

    @staticmethod
    def _derivative(y: Any) -> Any:
        return 1.0 * (y > 0)


class SoftMax(BaseLayer):
    """Softmax of the rows."""

    def forward(self, input_tensor: Any) -> Any:
        """Probabilities."""
        powers = np.exp(input_tensor - np.max(input_tensor, axis=1, keepdims=True))
        self.activations = powers / powers.sum(1, keepdims=True)
        return self.activations

    def backward(self, error_tensor: Any) -> Any:
        """The error for the input."""
        y = self.activations
        return y * (error_tensor - (error_tensor * y).sum(1, keepdims=True))


class FullyConnected(BaseLayer):
    """A dense layer; the last row of the weights is the bias."""

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.trainable = True
        self.weights = np.random.rand(input_size + 1, output_size)  # noqa: NPY002  # as the exercise draws
        self.input_tensor: Any = None
        self.gradient_weights: Any = None
        self.optimizer: Any = None
        self.delta = 1.0

    def initialize(self, weights_initializer: Any, bias_initializer: Any) -> None:
        """New weights."""
        sizes = self.input_size, self.output_size
        kernel = weights_initializer.initialize(sizes, *sizes)
        bias = bias_initializer.initialize((1, self.output_size), 1, self.output_size)
        self.weights = np.vstack([kernel, bias])

    def forward(self, input_tensor: Any) -> Any:
        """The output."""
        self.input_tensor = np.asarray(input_tensor)
        self.input_tensor = self._rows()
        return self.input_tensor @ self.weights

    def _rows(self) -> Any:
        """The input with a column of ones, which a caller may have put there."""
        x = np.atleast_2d(self.input_tensor)
        return x if x.shape[1] == self.input_size + 1 else np.hstack([x, np.ones((len(x), 1))])

    def backward(self, error_tensor: Any) -> Any:
        """The error for the input."""
        error_tensor = np.atleast_2d(error_tensor)
        self.gradient_weights = self._rows().T @ error_tensor
        error = error_tensor @ self.weights[:-1].T
        if self.optimizer is not None:
            self.weights = update(self.optimizer, self.delta, self.weights, self.gradient_weights)
        return error

    def get_weights(self) -> Any:
        """The weights."""
        return self.weights

    def set_weights(self, weights: Any) -> None:
        """Set the weights."""
        self.weights = weights

    def get_gradient_weights(self) -> Any:
        """The gradient."""
        return self.gradient_weights

    def set_optimizer(self, optimizer: Any) -> None:
        """Set the optimizer."""
        self.optimizer = copy.deepcopy(optimizer)

    def calculate_regularization_loss(self) -> Any:
        """The norm of the weights."""
        regularizer = getattr(self.optimizer, "regularizer", None)
        return 0.0 if regularizer is None else regularizer.norm(self.weights)


def update(optimizer: Any, delta: float, weights: Any, gradient: Any) -> Any:
    """A step by either edition's signature."""
    try:
        return optimizer.calculate_update(delta, weights, gradient)
    except TypeError:
        return optimizer.calculate_update(weights, gradient)


class Constant:
    """One value."""

    def __init__(self, value: float = 0.1) -> None:
        self.value = value

    def initialize(self, weights_shape: Any, fan_in: Any = None, fan_out: Any = None) -> Any:
        """The value in every place."""
        return np.full(weights_shape, self.value, dtype=float)


class UniformRandom:
    """Uniform in [0, 1)."""

    def initialize(self, weights_shape: Any, fan_in: Any = None, fan_out: Any = None) -> Any:
        """Random numbers."""
        return np.random.random(weights_shape)  # noqa: NPY002


class Xavier:
    """Normal, by both fans."""

    def initialize(self, weights_shape: Any, fan_in: Any, fan_out: Any) -> Any:
        """Random numbers."""
        return np.random.normal(0, np.sqrt(2 / (fan_in + fan_out)), weights_shape)  # noqa: NPY002


class He:
    """Normal, by fan_in."""

    def initialize(self, weights_shape: Any, fan_in: Any, fan_out: Any = None) -> Any:
        """Random numbers."""
        return np.random.normal(0, np.sqrt(2 / fan_in), weights_shape)  # noqa: NPY002


class Optimizer:
    """The base of the later editions' optimizers."""

    def __init__(self, *_: Any) -> None:
        self.regularizer: Any = None

    def add_regularizer(self, regularizer: Any) -> None:
        """Set the regularizer."""
        self.regularizer = regularizer


class Sgd(Optimizer):
    """Gradient descent, by either signature."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate

    def calculate_update(self, *arguments: Any) -> Any:
        """One step."""
        delta = arguments[0] if len(arguments) == 3 else 1.0
        return arguments[-2] - delta * self.learning_rate * arguments[-1]


#: The stand-in modules by name.
MODULES: dict[str, tuple[type, ...]] = {
    "Base": (Phase, BaseLayer),
    "TanH": (TanH,),
    "Sigmoid": (Sigmoid,),
    "ReLU": (ReLU,),
    "SoftMax": (SoftMax,),
    "FullyConnected": (FullyConnected,),
    "Initializers": (Constant, UniformRandom, Xavier, He),
    "Optimizers": (Optimizer, Sgd),
}
