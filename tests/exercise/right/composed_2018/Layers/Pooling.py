import numpy as np


class Pooling:
    def __init__(self, stride_shape, pooling_shape):
        self.stride_shape = stride_shape
        self.pooling_shape = pooling_shape

    def forward(self, input_tensor):
        self.input_shape = input_tensor.shape
        batch, channels, height, width = input_tensor.shape
        m, n = self.pooling_shape
        sy, sx = self.stride_shape
        rows, columns = (height - m) // sy + 1, (width - n) // sx + 1
        output = np.zeros((batch, channels, rows, columns))
        self.positions = np.zeros((batch, channels, rows, columns), dtype=int)
        for i in range(rows):
            for j in range(columns):
                window = input_tensor[:, :, i * sy:i * sy + m, j * sx:j * sx + n].reshape(batch, channels, -1)
                self.positions[:, :, i, j] = np.argmax(window, axis=2)
                output[:, :, i, j] = np.max(window, axis=2)
        return output

    def backward(self, error_tensor):
        result = np.zeros(self.input_shape)
        n = self.pooling_shape[1]
        sy, sx = self.stride_shape
        for b, c, i, j in np.ndindex(*error_tensor.shape):
            position = self.positions[b, c, i, j]
            result[b, c, i * sy + position // n, j * sx + position % n] += error_tensor[b, c, i, j]
        return result
