import copy

import numpy as np
from Layers.Base import BaseLayer, Phase


class BatchNormalization(BaseLayer):
    def __init__(self, channels=0):
        super().__init__()
        self.weights = np.ones(channels)
        self.bias = np.zeros(channels)
        self.mean = None
        self.epsilon = 1e-10
        self.optimizers = None
        self.delta = 1.0

    def initialize(self, weights_initializer, bias_initializer):
        self.weights = np.ones_like(self.weights)
        self.bias = np.zeros_like(self.bias)

    def _rows(self, tensor):
        return tensor if tensor.ndim == 2 else np.moveaxis(tensor, 1, -1).reshape(-1, tensor.shape[1])

    def _back(self, rows):
        if len(self.shape) == 2:
            return rows
        b, c, h, w = self.shape
        return np.moveaxis(rows.reshape(b, h, w, c), -1, 1)

    def forward(self, input_tensor):
        self.shape = input_tensor.shape
        rows = self._rows(input_tensor)
        if self.phase == Phase.test:
            mean, var = self.mean, self.var
        else:
            mean, var = np.mean(rows, axis=0), np.var(rows, axis=0)
            if self.mean is None:
                self.mean, self.var = mean, var
            else:
                self.mean = 0.8 * self.mean + 0.2 * mean
                self.var = 0.8 * self.var + 0.2 * var
        self.std = np.sqrt(var + self.epsilon)
        self.normal = (rows - mean) / self.std
        return self._back(self.normal * self.weights + self.bias)

    def backward(self, error_tensor):
        e = self._rows(error_tensor)
        self.gradient_weights = np.sum(e * self.normal, axis=0)
        self.gradient_bias = np.sum(e, axis=0)
        d = e * self.weights
        result = (d - d.mean(0) - self.normal * np.mean(d * self.normal, axis=0)) / self.std
        if self.optimizers:
            self.weights = self.optimizers[0].calculate_update(self.delta, self.weights, self.gradient_weights)
            self.bias = self.optimizers[1].calculate_update(self.delta, self.bias, self.gradient_bias)
        return self._back(result)

    def set_optimizer(self, optimizer):
        self.optimizers = copy.deepcopy(optimizer), copy.deepcopy(optimizer)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def get_gradient_weights(self):
        return self.gradient_weights

    def get_gradient_bias(self):
        return self.gradient_bias
