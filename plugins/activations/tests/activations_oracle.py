"""Oracles: the activations for one number, by the math module, and numeric derivatives."""

import math

import numpy as np

from graphnet_activations import ELU, GELU, HardSigmoid, LeakyReLU, LogSigmoid, ReLU, SiLU, Softplus


def gelu_tanh(x):
    return x / (1.0 + math.exp(-2.0 * math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


#: Each layer, its function of one number, and the points where it has no derivative.
ELEMENTWISE = [
    (ReLU(), lambda x: x if x > 0 else 0.0, [0.0]),
    (LeakyReLU(), lambda x: x if x > 0 else x / 100, [0.0]),
    (LeakyReLU(slope=-0.3), lambda x: abs(x) * (1.0 if x > 0 else 0.3), [0.0]),
    (ELU(), lambda x: x if x > 0 else math.exp(x) - 1.0, []),
    (ELU(alpha=2.5), lambda x: x if x > 0 else 2.5 * (math.exp(x) - 1.0), [0.0]),
    (GELU(), lambda x: x - 0.5 * x * math.erfc(x / math.sqrt(2.0)), []),
    (GELU(approximate=True), gelu_tanh, []),
    (SiLU(), lambda x: x / (1.0 + math.exp(-x)), []),
    (Softplus(), lambda x: math.log(1.0 + math.exp(x)), []),
    (LogSigmoid(), lambda x: -math.log(1.0 + math.exp(-x)), []),
    (HardSigmoid(), lambda x: 0.0 if x <= -3 else 1.0 if x >= 3 else (x + 3.0) / 6.0, [-3.0, 3.0]),
]


def each(function, x):
    """Apply a function of one number to every element of an array."""
    return np.array([function(float(v)) for v in np.ravel(x)]).reshape(np.shape(x))


def numeric(f, x, h=1e-5):
    """Central differences of a scalar function at ``x``."""
    actual = np.zeros(np.shape(x))
    for index in np.ndindex(*np.shape(x)):
        up, down = np.array(x), np.array(x)
        up[index] += h
        down[index] -= h
        actual[index] = (f(up) - f(down)) / (2 * h)
    return actual


def close(actual, expected, tolerance=1e-6):
    """Check that the largest difference, relative to the largest expected number, is within ``tolerance``."""
    scale = max(np.abs(expected).max(), 1e-3)
    worst = np.abs(np.asarray(actual) - expected).max() / scale
    assert np.shape(actual) == np.shape(expected)
    assert worst <= tolerance, f"relative difference {worst:.2e}"
