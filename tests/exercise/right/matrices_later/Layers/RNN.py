import copy

import numpy as np
from Layers.Base import BaseLayer


class RNN(BaseLayer):
    """In float32, with rows input, state, bias; Base.py is not handed in."""

    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.trainable = True
        self.n, self.k, self.m = input_size, hidden_size, output_size
        self.weights = np.random.rand(input_size + hidden_size + 1, hidden_size).astype(np.float32)
        self.output_weights = np.random.rand(hidden_size + 1, output_size).astype(np.float32)
        self.memorize = False
        self.hidden_state = np.zeros(hidden_size, np.float32)
        self.optimizer = None
        self._second = None

    def initialize(self, weights_initializer, bias_initializer):
        n, k, m = self.n, self.k, self.m
        self.weights = np.vstack([weights_initializer.initialize((n + k, k), n + k, k),
                                  bias_initializer.initialize((1, k), 1, k)]).astype(np.float32)
        self.output_weights = np.vstack([weights_initializer.initialize((k, m), k, m),
                                         bias_initializer.initialize((1, m), 1, m)]).astype(np.float32)

    def forward(self, input_tensor):
        if not self.memorize:
            self.hidden_state = np.zeros(self.k, np.float32)
        self.inputs, self.states = [], []
        for x in np.asarray(input_tensor, np.float32):
            z = np.hstack([x, self.hidden_state, np.float32(1)])
            self.hidden_state = np.tanh(z @ self.weights)
            self.inputs.append(z)
            self.states.append(np.append(self.hidden_state, np.float32(1)))
        return np.array(self.states) @ self.output_weights

    def backward(self, error_tensor):
        error_tensor = np.asarray(error_tensor, np.float32)
        own = error_tensor @ self.output_weights[:-1].T
        carry = np.zeros(self.k, np.float32)
        raw = np.zeros((len(error_tensor), self.k), np.float32)
        for t in range(len(raw) - 1, -1, -1):
            raw[t] = (own[t] + carry) * (1 - self.states[t][:-1] ** 2)
            carry = self.weights[self.n:-1] @ raw[t]
        self.gradient_weights = np.array(self.inputs).T @ raw
        result = raw @ self.weights[:self.n].T
        if self.optimizer is not None:
            if self._second is None:
                self._second = copy.deepcopy(self.optimizer)
            self.weights = self.optimizer.calculate_update(self.weights, self.gradient_weights)
            self.output_weights = self._second.calculate_update(self.output_weights,
                                                                np.array(self.states).T @ error_tensor)
        return result
