import numpy as np
from Layers import Base


class SoftMax(Base.BaseLayer):
    def forward(self, input_tensor):
        e = np.exp(input_tensor - np.max(input_tensor))
        self.y = e / np.sum(e, axis=1)[:, None]
        return self.y

    def backward(self, error_tensor):
        inner = np.sum(error_tensor * self.y, axis=1)[:, None]
        return self.y * (error_tensor - inner)
