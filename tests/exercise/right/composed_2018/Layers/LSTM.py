import copy

import numpy as np
from Layers.Base import BaseLayer
from Layers.FullyConnected import FullyConnected
from Layers.Sigmoid import Sigmoid
from Layers.TanH import TanH


class LSTM(BaseLayer):
    def __init__(self, input_size, hidden_size, output_size, bptt_length):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size
        self.bptt_length = bptt_length
        self.memory = False
        self.hidden_state = np.zeros((1, hidden_size))
        self.cell_state = np.zeros((1, hidden_size))
        self.gates = FullyConnected(hidden_size + input_size, 4 * hidden_size)
        self.output_layer = FullyConnected(hidden_size, output_size)
        self.delta = 1.0
        self.optimizers = None
        self.gradient = None

    def toggle_memory(self):
        self.memory = not self.memory

    def forward(self, input_tensor):
        if not self.memory:
            self.hidden_state = np.zeros((1, self.hidden_size))
            self.cell_state = np.zeros((1, self.hidden_size))
        self.steps = []
        outputs = []
        n = self.hidden_size
        for x in input_tensor:
            joined = np.concatenate([self.hidden_state, x[None, :]], axis=1)
            raw = self.gates.forward(joined)
            f = Sigmoid().forward(raw[:, :n])
            i = Sigmoid().forward(raw[:, n:2 * n])
            g = TanH().forward(raw[:, 2 * n:3 * n])
            o = Sigmoid().forward(raw[:, 3 * n:])
            before = self.cell_state
            self.cell_state = f * before + i * g
            squashed = TanH().forward(self.cell_state)
            self.hidden_state = o * squashed
            self.steps.append((self.gates.input_tensor, f, i, g, o, before, squashed, self.hidden_state))
            outputs.append(self.output_layer.forward(self.hidden_state)[0])
        return np.array(outputs)

    def backward(self, error_tensor):
        total = len(self.steps)
        weights, output_weights = self.gates.get_weights(), self.output_layer.get_weights()
        gradient, output_gradient = np.zeros_like(weights), np.zeros_like(output_weights)
        dh_next = np.zeros((1, self.hidden_size))
        dc_next = np.zeros((1, self.hidden_size))
        errors = np.zeros((total, self.input_size))
        for t in range(total - 1, -1, -1):
            joined, f, i, g, o, before, squashed, h = self.steps[t]
            e = error_tensor[t:t + 1]
            output_gradient += np.hstack([h, np.ones((1, 1))]).T.dot(e)
            dh = e.dot(output_weights[:-1].T) + dh_next
            do = dh * squashed
            dc = dh * o * (1 - squashed ** 2) + dc_next
            df = dc * before
            di = dc * g
            dg = dc * i
            dc_next = dc * f
            raw = np.hstack([df * f * (1 - f), di * i * (1 - i), dg * (1 - g ** 2), do * o * (1 - o)])
            if t >= total - self.bptt_length:
                gradient += joined.T.dot(raw)
            back = raw.dot(weights[:-1].T)
            dh_next = back[:, :self.hidden_size]
            errors[t] = back[0, self.hidden_size:]
        self.gradient = gradient
        if self.optimizers is not None:
            self.gates.set_weights(self.optimizers[0].calculate_update(self.delta, weights, gradient))
            self.output_layer.set_weights(
                self.optimizers[1].calculate_update(self.delta, output_weights, output_gradient))
        return errors

    def get_gradient_weights(self):
        return self.gradient

    def get_weights(self):
        return self.gates.get_weights()

    def set_weights(self, weights):
        self.gates.set_weights(weights)

    def set_optimizer(self, optimizer):
        self.optimizers = [copy.deepcopy(optimizer), copy.deepcopy(optimizer)]

    def calculate_regularization_loss(self):
        if self.optimizers is None or self.optimizers[0].regularizer is None:
            return 0.0
        return self.optimizers[0].regularizer.norm(self.gates.get_weights())

    def initialize(self, weights_initializer, bias_initializer):
        self.gates.initialize(weights_initializer, bias_initializer)
        self.output_layer.initialize(weights_initializer, bias_initializer)
