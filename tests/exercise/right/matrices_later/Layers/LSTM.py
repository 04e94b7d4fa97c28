import copy

import numpy as np
from Layers.FullyConnected import FullyConnected
from Layers.Sigmoid import Sigmoid
from Layers.TanH import TanH


class LSTM:
    """Composed of layers that are not handed in."""

    def __init__(self, input_size, hidden_size, output_size):
        self.trainable = True
        self.testing_phase = False
        self.input_size, self.hidden_size = input_size, hidden_size
        self.fc = FullyConnected(input_size + hidden_size, 4 * hidden_size)
        self.fc_y = FullyConnected(hidden_size, output_size)
        self.h, self.c = np.zeros((1, hidden_size)), np.zeros((1, hidden_size))
        self.memorize = False
        self._optimizers = None

    weights = property(lambda self: self.fc.weights, lambda self, weights: setattr(self.fc, "weights", weights))
    gradient_weights = property(lambda self: self._gradient)

    @property
    def optimizer(self):
        return self._optimizers

    @optimizer.setter
    def optimizer(self, optimizer):
        self._optimizers = [copy.deepcopy(optimizer), copy.deepcopy(optimizer)]

    def initialize(self, weights_initializer, bias_initializer):
        for layer in (self.fc, self.fc_y):
            layer.initialize(weights_initializer, bias_initializer)

    def forward(self, input_tensor):
        k = self.hidden_size
        if not self.memorize:
            self.h, self.c = np.zeros((1, k)), np.zeros((1, k))
        self.trace, result = [], []
        for row in input_tensor:
            z = np.hstack([row[None], self.h])
            raw = self.fc.forward(z)
            layers = [Sigmoid(), Sigmoid(), Sigmoid(), TanH(), TanH()]
            f, i, o, g = (layer.forward(raw[:, n * k:(n + 1) * k]) for n, layer in enumerate(layers[:4]))
            before, self.c = self.c, f * self.c + i * g
            s = layers[4].forward(self.c)
            self.h = o * s
            self.trace.append((z, layers, f, i, o, g, before, s, self.h))
            result.append(self.fc_y.forward(self.h))
        return np.vstack(result)

    def backward(self, error_tensor):
        k = self.hidden_size
        self._gradient, output_gradient = 0, 0
        dh, dc = np.zeros((1, k)), np.zeros((1, k))
        result = []
        for t in range(len(error_tensor) - 1, -1, -1):
            z, layers, f, i, o, g, before, s, h = self.trace[t]
            self.fc_y.forward(h)
            dh = dh + self.fc_y.backward(error_tensor[t:t + 1])
            output_gradient = output_gradient + self.fc_y.gradient_weights
            dc = dc + layers[4].backward(dh * o)
            raw = np.hstack([layers[0].backward(dc * before), layers[1].backward(dc * g), layers[2].backward(dh * s),
                             layers[3].backward(dc * i)])
            self.fc.forward(z)
            dz = self.fc.backward(raw)
            self._gradient = self._gradient + self.fc.gradient_weights
            result.append(dz[:, :self.input_size])
            dh, dc = dz[:, self.input_size:], dc * f
        if self._optimizers:
            self.fc.weights = self._optimizers[0].calculate_update(self.fc.weights, self._gradient)
            self.fc_y.weights = self._optimizers[1].calculate_update(self.fc_y.weights, output_gradient)
        return np.vstack(result[::-1])
