import numpy as np


class Optimizer:
    def __init__(self):
        self.regularizer = None

    def add_regularizer(self, regularizer):
        self.regularizer = regularizer

    def _penalty(self, rate, weights):
        return 0.0 if self.regularizer is None else rate * self.regularizer.calculate(weights)


class Sgd(Optimizer):
    def __init__(self, learning_rate):
        super().__init__()
        self.learning_rate = learning_rate

    def calculate_update(self, individual_delta, weight_tensor, gradient_tensor):
        rate = self.learning_rate * individual_delta
        return weight_tensor - self._penalty(rate, weight_tensor) - rate * gradient_tensor


class SgdWithMomentum(Optimizer):
    def __init__(self, learning_rate, momentum):
        super().__init__()
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.velocity = 0.0

    def calculate_update(self, individual_delta, weight_tensor, gradient_tensor):
        rate = self.learning_rate * individual_delta
        self.velocity = self.momentum * self.velocity - rate * gradient_tensor
        return weight_tensor - self._penalty(rate, weight_tensor) + self.velocity


class Adam(Optimizer):
    def __init__(self, learning_rate, mu, rho):
        super().__init__()
        self.learning_rate = learning_rate
        self.mu = mu
        self.rho = rho
        self.v = 0.0
        self.r = 0.0
        self.k = 0

    def calculate_update(self, individual_delta, weight_tensor, gradient_tensor):
        rate = self.learning_rate * individual_delta
        self.k += 1
        self.v = self.mu * self.v + (1 - self.mu) * gradient_tensor
        self.r = self.rho * self.r + (1 - self.rho) * gradient_tensor * gradient_tensor
        v = self.v / (1 - self.mu ** self.k)
        r = self.r / (1 - self.rho ** self.k)
        return weight_tensor - self._penalty(rate, weight_tensor) - rate * v / (np.sqrt(r) + 1e-8)
