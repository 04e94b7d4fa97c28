from copy import deepcopy

import numpy as np


class RNN:
    """Rows of the weights: bias, state, input; one batched product for the gradient."""

    def __init__(self, input_size, hidden_size, output_size, bptt_length):
        self.i, self.h, self.o, self.k = input_size, hidden_size, output_size, bptt_length
        self.W = np.random.rand(1 + hidden_size + input_size, hidden_size)
        self.V = np.random.rand(output_size, hidden_size)
        self.c = np.random.rand(output_size)
        self.state = np.zeros(hidden_size)
        self.keeps = False
        self.opt = []
        self.delta = 1

    def toggle_memory(self):
        self.keeps ^= True

    def initialize(self, weights_initializer, bias_initializer):
        kernel = weights_initializer.initialize((self.h + self.i, self.h), self.h + self.i, self.h)
        self.W = np.vstack((bias_initializer.initialize((1, self.h), 1, self.h), kernel))
        self.V = weights_initializer.initialize((self.o, self.h), self.h, self.o)
        self.c = bias_initializer.initialize((self.o,), 1, self.o)

    def forward(self, input_tensor):
        T = len(input_tensor)
        h = self.state if self.keeps else np.zeros(self.h)
        self.H = np.empty((T + 1, self.h))
        self.H[0] = h
        self.X = input_tensor
        for t in range(T):
            self.H[t + 1] = np.tanh(self.W[0] + self.H[t] @ self.W[1:self.h + 1] + self.X[t] @ self.W[self.h + 1:])
        self.state = self.H[-1].copy()
        return self.H[1:] @ self.V.T + self.c

    def backward(self, error_tensor):
        T = len(error_tensor)
        A = np.empty((T, self.h))
        e = np.zeros(self.h)
        own = error_tensor @ self.V
        for t in range(T - 1, -1, -1):
            A[t] = (own[t] + e) * (1 - self.H[t + 1] ** 2)
            e = self.W[1:self.h + 1] @ A[t]
        first = max(0, T - self.k)
        Z = np.hstack((np.ones((T, 1)), self.H[:-1], self.X))
        self.G = Z[first:].T @ A[first:]
        result = A @ self.W[self.h + 1:].T
        if self.opt:
            self.W = self.opt[0].calculate_update(self.delta, self.W, self.G)
            self.V = self.opt[1].calculate_update(self.delta, self.V, error_tensor.T @ self.H[1:])
            self.c = self.opt[2].calculate_update(self.delta, self.c, error_tensor.sum(0))
        return result

    def get_gradient_weights(self):
        return self.G.copy()

    def get_weights(self):
        return self.W.copy()

    def set_weights(self, weights):
        self.W = np.array(weights)

    def set_optimizer(self, optimizer):
        self.opt = [deepcopy(optimizer) for _ in range(3)]

    def calculate_regularization_loss(self):
        if not self.opt or not self.opt[0].regularizer:
            return 0.0
        return sum(self.opt[0].regularizer.norm(w) for w in (self.W, self.V, self.c))
