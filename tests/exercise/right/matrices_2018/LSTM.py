import copy

import numpy as np


def sigma(x):
    return 1.0 / (1.0 + np.exp(-x))


class LSTM:
    """Columns: output, candidate, input, forget; rows: input, bias, state."""

    def __init__(self, input_size, hidden_size, output_size, bptt_length):
        self.sizes = input_size, hidden_size, output_size
        self.length = bptt_length
        self.weights = np.random.randn(input_size + 1 + hidden_size, 4 * hidden_size) * 0.1
        self.out = np.random.randn(hidden_size + 1, output_size) * 0.1
        self.hidden, self.cell = np.zeros(hidden_size), np.zeros(hidden_size)
        self.memory = False
        self.optimizer = self.optimizer_out = None

    def toggle_memory(self):
        self.memory = not self.memory

    def initialize(self, weights_initializer, bias_initializer):
        n, h, m = self.sizes
        self.weights = np.concatenate([
            weights_initializer.initialize((n, 4 * h), n, h), bias_initializer.initialize((1, 4 * h), n, h),
            weights_initializer.initialize((h, 4 * h), h, h)])
        self.out = np.concatenate([
            weights_initializer.initialize((h, m), h, m), bias_initializer.initialize((1, m), h, m)])

    def forward(self, input_tensor):
        h = self.sizes[1]
        if not self.memory:
            self.hidden, self.cell = np.zeros(h), np.zeros(h)
        self.tape, result = [], []
        for x in input_tensor:
            z = np.concatenate([x, [1.0], self.hidden])
            o, g, i, f = np.split(z @ self.weights, 4)
            o, g, i, f = sigma(o), np.tanh(g), sigma(i), sigma(f)
            old = self.cell
            self.cell = f * old + i * g
            self.hidden = o * np.tanh(self.cell)
            self.tape.append((z, o, g, i, f, old, np.tanh(self.cell), self.hidden))
            result.append(np.append(self.hidden, 1.0) @ self.out)
        return np.stack(result)

    def backward(self, error_tensor):
        n, h, _ = self.sizes
        T = len(self.tape)
        self.gradient = np.zeros_like(self.weights)
        out_gradient = np.zeros_like(self.out)
        eh, ec = np.zeros(h), np.zeros(h)
        errors = []
        for t in reversed(range(T)):
            z, o, g, i, f, old, tc, hidden = self.tape[t]
            out_gradient += np.outer(np.append(hidden, 1), error_tensor[t])
            eh = eh + self.out[:-1] @ error_tensor[t]
            ec = ec + eh * o * (1 - tc * tc)
            raw = np.concatenate([eh * tc * o * (1 - o), ec * i * (1 - g * g), ec * g * i * (1 - i), ec * old * f * (1 - f)])
            if T - t <= self.length:
                self.gradient += np.outer(z, raw)
            back = self.weights @ raw
            errors.insert(0, back[:n])
            eh, ec = back[n + 1:], ec * f
        if self.optimizer:
            self.weights = self.optimizer.calculate_update(1.0, self.weights, self.gradient)
            self.out = self.optimizer_out.calculate_update(1.0, self.out, out_gradient)
        return np.array(errors)

    def get_gradient_weights(self):
        return self.gradient

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def set_optimizer(self, optimizer):
        self.optimizer = optimizer
        self.optimizer_out = copy.deepcopy(optimizer)

    def calculate_regularization_loss(self):
        if self.optimizer and self.optimizer.regularizer:
            return self.optimizer.regularizer.norm(self.weights)
        return 0
