"""Layers in plain numpy for cells of these tests."""

from __future__ import annotations

import numpy as np

from graphnet import Layer


class Tanh(Layer):
    """y = tanh(x)."""

    def apply(self, x):
        y = np.tanh(x)
        return y, y

    def pull(self, y, error):
        return error * (1 - y * y)


class Logistic(Layer):
    """y = 1 / (1 + exp(-x))."""

    def apply(self, x):
        y = 1 / (1 + np.exp(-x))
        return y, y

    def pull(self, y, error):
        return error * y * (1 - y)


class Normalize(Layer):
    """y = (x - mean) / sqrt(variance + 0.01) over the features."""

    def apply(self, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 0.01)
        return centred * scale, (centred * scale, scale)

    def pull(self, saved, error):
        y, scale = saved
        mean = error.mean(axis=-1, keepdims=True)
        return scale * (error - mean - y * (error * y).mean(axis=-1, keepdims=True))


class Rectify(Layer):
    """y = x where x > 0, else x / 8."""

    def apply(self, x):
        return np.where(x > 0, x, 0.125 * x), x > 0

    def pull(self, positive, error):
        return np.where(positive, error, 0.125 * error)
