import copy

from Layers.Base import Phase


class NeuralNetwork:
    def __init__(self, optimizer, weights_initializer, bias_initializer):
        self.optimizer = optimizer
        self.weights_initializer = weights_initializer
        self.bias_initializer = bias_initializer
        self.layers = []
        self.loss = []
        self.data_layer = None
        self.loss_layer = None

    def append_trainable_layer(self, layer):
        layer.initialize(self.weights_initializer, self.bias_initializer)
        layer.set_optimizer(copy.deepcopy(self.optimizer))
        self.layers.append(layer)

    def _phase(self, phase):
        for layer in self.layers:
            layer.phase = phase

    def forward(self):
        x, self.labels = self.data_layer.forward()
        penalty = 0
        for layer in self.layers:
            x = layer.forward(x)
            if hasattr(layer, "calculate_regularization_loss"):
                penalty += layer.calculate_regularization_loss()
        return self.loss_layer.forward(x, self.labels) + penalty

    def backward(self):
        error = self.loss_layer.backward(self.labels)
        for layer in reversed(self.layers):
            error = layer.backward(error)

    def train(self, iterations):
        self._phase(Phase.train)
        for _ in range(iterations):
            self.loss.append(self.forward())
            self.backward()

    def test(self, input_tensor):
        self._phase(Phase.test)
        for layer in self.layers:
            input_tensor = layer.forward(input_tensor)
        return self.loss_layer.predict(input_tensor)
