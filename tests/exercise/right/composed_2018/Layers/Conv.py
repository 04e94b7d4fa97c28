import copy

import numpy as np


class Conv:
    def __init__(self, stride_shape, convolution_shape, num_kernels):
        self.signal = len(convolution_shape) == 2
        self.stride = stride_shape if len(stride_shape) == 2 else (1, stride_shape[0])
        self.convolution_shape = convolution_shape
        self.num_kernels = num_kernels
        self.weights = np.random.uniform(0, 1, (num_kernels, *convolution_shape))
        self.bias = np.random.uniform(0, 1, num_kernels)
        self.delta = 1.0
        self.optimizers = None

    def initialize(self, weights_initializer, bias_initializer):
        cells = np.prod(self.convolution_shape[1:])
        fan_in, fan_out = self.convolution_shape[0] * cells, self.num_kernels * cells
        self.weights = weights_initializer.initialize(self.weights.shape, fan_in, fan_out)
        self.bias = bias_initializer.initialize(self.bias.shape, fan_in, fan_out)

    def _kernel(self):
        return self.weights[:, :, None, :] if self.signal else self.weights

    def forward(self, input_tensor):
        x = input_tensor[:, :, None, :] if self.signal else input_tensor
        w = self._kernel()
        m, n = w.shape[2:]
        height, width = x.shape[2:]
        self.top, self.left = (m - 1) // 2, (n - 1) // 2
        self.padded = np.pad(x, ((0, 0), (0, 0), (self.top, m - 1 - self.top), (self.left, n - 1 - self.left)))
        output = np.zeros((len(x), self.num_kernels, height, width))
        for i in range(m):
            for j in range(n):
                part = self.padded[:, :, i:i + height, j:j + width]
                output += np.einsum("bcyx,kc->bkyx", part, w[:, :, i, j])
        output += self.bias[None, :, None, None]
        self.size = height, width
        output = output[:, :, ::self.stride[0], ::self.stride[1]]
        return output[:, :, 0] if self.signal else output

    def backward(self, error_tensor):
        e = error_tensor[:, :, None, :] if self.signal else error_tensor
        w = self._kernel()
        height, width = self.size
        full = np.zeros((len(e), self.num_kernels, height, width))
        full[:, :, ::self.stride[0], ::self.stride[1]] = e
        back = np.zeros_like(self.padded)
        gradient = np.zeros_like(w)
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                back[:, :, i:i + height, j:j + width] += np.einsum("bkyx,kc->bcyx", full, w[:, :, i, j])
                part = self.padded[:, :, i:i + height, j:j + width]
                gradient[:, :, i, j] = np.einsum("bkyx,bcyx->kc", full, part)
        back = back[:, :, self.top:self.top + height, self.left:self.left + width]
        self.gradient_weights = gradient.reshape(self.weights.shape)
        self.gradient_bias = np.sum(full, axis=(0, 2, 3))
        if self.optimizers:
            self.weights = self.optimizers[0].calculate_update(self.delta, self.weights, self.gradient_weights)
            self.bias = self.optimizers[1].calculate_update(self.delta, self.bias, self.gradient_bias)
        return back[:, :, 0] if self.signal else back

    def set_optimizer(self, optimizer):
        self.optimizers = copy.deepcopy(optimizer), copy.deepcopy(optimizer)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def get_gradient_weights(self):
        return self.gradient_weights

    def get_gradient_bias(self):
        return self.gradient_bias

    def calculate_regularization_loss(self):
        if not self.optimizers or self.optimizers[0].regularizer is None:
            return 0
        return self.optimizers[0].regularizer.norm(self.weights)
