import numpy as np
from Layers.Base import BaseLayer


class SoftMax(BaseLayer):
    def predict(self, input_tensor):
        shifted = input_tensor - np.max(input_tensor, axis=1, keepdims=True)
        powers = np.exp(shifted)
        return powers / np.sum(powers, axis=1, keepdims=True)

    def forward(self, input_tensor, label_tensor):
        self.prediction = self.predict(input_tensor)
        return np.sum(-np.log(self.prediction[label_tensor == 1] + np.finfo(float).eps))

    def backward(self, label_tensor):
        error = np.copy(self.prediction)
        error[label_tensor == 1] -= 1
        return error
