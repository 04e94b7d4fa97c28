import numpy as np


class Sigmoid(object):
    def forward(self, input_tensor):
        self.out = np.where(input_tensor >= 0, 1 / (1 + np.exp(-np.abs(input_tensor))),
                            np.exp(-np.abs(input_tensor)) / (1 + np.exp(-np.abs(input_tensor))))
        return self.out

    def backward(self, error_tensor):
        return error_tensor * (self.out - self.out ** 2)
