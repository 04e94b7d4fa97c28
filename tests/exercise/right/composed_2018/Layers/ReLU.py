import numpy as np


class ReLU:
    def forward(self, input_tensor):
        self.mask = input_tensor > 0
        input_tensor *= self.mask
        return input_tensor

    def backward(self, error_tensor):
        error_tensor[~self.mask] = 0
        return error_tensor
