import copy

import numpy as np
from Layers import Base, FullyConnected, Sigmoid, TanH


class RNN(Base.BaseLayer):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.trainable = True
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size
        self.hidden_state = np.zeros((1, hidden_size))
        self._memorize = False
        self.fc_hidden = FullyConnected.FullyConnected(input_size + hidden_size, hidden_size)
        self.fc_output = FullyConnected.FullyConnected(hidden_size, output_size)
        self.tanh = TanH.TanH()
        self.sigmoid = Sigmoid.Sigmoid()
        self._optimizer = None

    @property
    def memorize(self):
        return self._memorize

    @memorize.setter
    def memorize(self, value):
        self._memorize = value

    @property
    def weights(self):
        return self.fc_hidden.weights

    @weights.setter
    def weights(self, weights):
        if hasattr(self, "fc_hidden"):
            self.fc_hidden.weights = weights

    @property
    def gradient_weights(self):
        return self._gradient

    @property
    def optimizer(self):
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer):
        self._optimizer = optimizer
        self._output_optimizer = copy.deepcopy(optimizer)

    def initialize(self, weights_initializer, bias_initializer):
        self.fc_hidden.initialize(weights_initializer, bias_initializer)
        self.fc_output.initialize(weights_initializer, bias_initializer)

    def forward(self, input_tensor):
        if not self.memorize:
            self.hidden_state = np.zeros((1, self.hidden_size))
        self.kept = []
        output = np.zeros((input_tensor.shape[0], self.output_size))
        for t, x in enumerate(input_tensor):
            combined = np.concatenate((x.reshape(1, -1), self.hidden_state), axis=1)
            self.hidden_state = self.tanh.forward(self.fc_hidden.forward(combined))
            hidden_input = self.fc_hidden.input_tensor
            y = self.sigmoid.forward(self.fc_output.forward(self.hidden_state))
            output[t] = y
            self.kept.append((hidden_input, self.hidden_state, self.fc_output.input_tensor, y))
        return output

    def backward(self, error_tensor):
        gradient = 0
        gradient_output = 0
        error_hidden = 0
        previous = np.zeros((error_tensor.shape[0], self.input_size))
        for t in range(error_tensor.shape[0] - 1, -1, -1):
            hidden_input, hidden, output_input, y = self.kept[t]
            self.sigmoid.activations = y
            self.fc_output.input_tensor = output_input
            self.tanh.activations = hidden
            self.fc_hidden.input_tensor = hidden_input
            e = self.fc_output.backward(self.sigmoid.backward(error_tensor[t:t + 1]))
            gradient_output = gradient_output + self.fc_output.gradient_weights
            e = self.fc_hidden.backward(self.tanh.backward(e + error_hidden))
            gradient = gradient + self.fc_hidden.gradient_weights
            previous[t] = e[:, :self.input_size]
            error_hidden = e[:, self.input_size:]
        self._gradient = gradient
        if self._optimizer is not None:
            self.fc_hidden.weights = self._optimizer.calculate_update(self.fc_hidden.weights, gradient)
            self.fc_output.weights = self._output_optimizer.calculate_update(self.fc_output.weights, gradient_output)
        return previous

    def calculate_regularization_loss(self):
        if self._optimizer is None or self._optimizer.regularizer is None:
            return 0
        norm = self._optimizer.regularizer.norm
        return norm(self.fc_hidden.weights) + norm(self.fc_output.weights)
