import copy

import numpy as np
from Layers.Base import BaseLayer
from Layers.FullyConnected import FullyConnected
from Layers.TanH import TanH


class RNN(BaseLayer):
    def __init__(self, input_size, hidden_size, output_size, bptt_length):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size
        self.bptt_length = bptt_length
        self.hidden_state = np.zeros(hidden_size)
        self.memory = False
        self.hidden_layer = FullyConnected(input_size + hidden_size, hidden_size)
        self.output_layer = FullyConnected(hidden_size, output_size)
        self.optimizer = None
        self.output_optimizer = None
        self.delta = 1.0
        self.gradient_weights = None

    def toggle_memory(self):
        self.memory = not self.memory

    def forward(self, input_tensor):
        steps = input_tensor.shape[0]
        if not self.memory:
            self.hidden_state = np.zeros(self.hidden_size)
        self.inputs = []
        self.hidden = []
        output = np.zeros((steps, self.output_size))
        for t in range(steps):
            joined = np.concatenate([input_tensor[t], self.hidden_state])[None, :]
            tanh = TanH()
            h = tanh.forward(self.hidden_layer.forward(joined))
            self.inputs.append(self.hidden_layer.input_tensor)
            self.hidden.append(tanh)
            self.hidden_state = h[0]
            output[t] = self.output_layer.forward(h)[0]
        return output

    def backward(self, error_tensor):
        steps = error_tensor.shape[0]
        weights = self.hidden_layer.get_weights()
        output_weights = self.output_layer.get_weights()
        gradient = np.zeros_like(weights)
        output_gradient = np.zeros_like(output_weights)
        carry = np.zeros(self.hidden_size)
        errors = np.zeros((steps, self.input_size))
        for t in reversed(range(steps)):
            h = self.hidden[t].activations[0]
            output_gradient += np.outer(np.append(h, 1.0), error_tensor[t])
            total = output_weights[:-1].dot(error_tensor[t]) + carry
            raw = self.hidden[t].backward(total[None, :])
            if t >= steps - self.bptt_length:
                gradient += self.inputs[t].T.dot(raw)
            joined = raw.dot(weights[:-1].T)[0]
            errors[t] = joined[:self.input_size]
            carry = joined[self.input_size:]
        self.gradient_weights = gradient
        if self.optimizer is not None:
            self.hidden_layer.set_weights(self.optimizer.calculate_update(self.delta, weights, gradient))
            self.output_layer.set_weights(
                self.output_optimizer.calculate_update(self.delta, output_weights, output_gradient))
        return errors

    def get_gradient_weights(self):
        return self.gradient_weights

    def get_weights(self):
        return self.hidden_layer.get_weights()

    def set_weights(self, weights):
        self.hidden_layer.set_weights(weights)

    def set_optimizer(self, optimizer):
        self.optimizer = copy.deepcopy(optimizer)
        self.output_optimizer = copy.deepcopy(optimizer)

    def calculate_regularization_loss(self):
        if self.optimizer is None or self.optimizer.regularizer is None:
            return 0.0
        regularizer = self.optimizer.regularizer
        return regularizer.norm(self.hidden_layer.get_weights()) + regularizer.norm(self.output_layer.get_weights())

    def initialize(self, weights_initializer, bias_initializer):
        self.hidden_layer.initialize(weights_initializer, bias_initializer)
        self.output_layer.initialize(weights_initializer, bias_initializer)
