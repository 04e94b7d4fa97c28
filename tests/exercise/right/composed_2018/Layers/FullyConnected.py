import copy

import numpy as np
from Layers.Base import BaseLayer


class FullyConnected(BaseLayer):
    def __init__(self, input_size, output_size):
        super().__init__()
        self.input_size = input_size
        self.output_size = output_size
        self.weights = np.random.rand(input_size + 1, output_size)
        self.delta = 1.0
        self._optimizer = None
        self.gradient = None

    def initialize(self, weights_initializer, bias_initializer):
        kernel = weights_initializer.initialize((self.input_size, self.output_size), self.input_size, self.output_size)
        bias = bias_initializer.initialize((1, self.output_size), self.input_size, self.output_size)
        self.weights = np.concatenate([kernel, bias], axis=0)

    def forward(self, input_tensor):
        ones = np.ones((input_tensor.shape[0], 1))
        self.input_tensor = np.hstack([input_tensor, ones])
        return self.input_tensor.dot(self.weights)

    def backward(self, error_tensor):
        error = error_tensor.dot(self.weights[:-1].T)
        self.gradient = self.input_tensor.T.dot(error_tensor)
        if self._optimizer is not None:
            self.weights = self._optimizer.calculate_update(self.delta, self.weights, self.gradient)
        return error

    def set_optimizer(self, optimizer):
        self._optimizer = copy.deepcopy(optimizer)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def get_gradient_weights(self):
        return self.gradient

    def calculate_regularization_loss(self):
        if self._optimizer is None or self._optimizer.regularizer is None:
            return 0.0
        return self._optimizer.regularizer.norm(self.weights)
