"""Oracles: recurrent networks as plain loops over rows, and numeric derivatives."""

import math

import numpy as np


def sigmoid(x):
    return np.array([1.0 / (1.0 + math.exp(-v)) if v > -700 else 0.0 for v in np.ravel(x)]).reshape(np.shape(x))


def rnn_step(x, state, w):
    h = state[0]
    joined = np.concatenate([x, h, [1.0]])
    return (np.array([math.tanh(sum(a * b for a, b in zip(joined, column, strict=True))) for column in w.T]),)


def lstm_step(x, state, w):
    h, c = state
    n = len(h)
    joined = np.concatenate([x, h, [1.0]])
    i, f, g, o = (joined @ w[:, k * n : (k + 1) * n] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def run(step, states, x, w, late=None, k=None, state=None):
    """Hidden states (time, units) and final states of one sequence; the last ``k`` steps use ``late`` as their weights."""
    units = w.shape[1] // (4 if step is lstm_step else 1)
    state = tuple(np.zeros(units) for _ in range(states)) if state is None else state
    hidden = []
    for t, row in enumerate(x):
        state = step(row, state, late if k is not None and t >= len(x) - k else w)
        hidden.append(state[0])
    return np.array(hidden).reshape(len(x), units), state


def numeric(f, x, h=1e-5):
    """Central differences of a scalar function at ``x``, improved by one Richardson step."""
    actual = np.zeros(np.shape(x))
    for index in np.ndindex(*np.shape(x)):

        def slope(step, index=index):
            up, down = np.array(x), np.array(x)
            up[index] += step
            down[index] -= step
            return (f(up) - f(down)) / (2 * step)

        actual[index] = (4 * slope(h / 2) - slope(h)) / 3
    return actual


def close(actual, expected, tolerance=1e-6):
    """Check that the largest difference, relative to the largest expected number, is within ``tolerance``."""
    scale = max(np.abs(expected).max(), 1e-3)
    worst = np.abs(np.asarray(actual) - expected).max() / scale
    assert worst <= tolerance, f"relative difference {worst:.2e}"
    return True
