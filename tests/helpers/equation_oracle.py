"""Runs the text of equations as code of numpy, in which no part of graphnet takes part."""

import re

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


def softmax(x, axis):
    axis = tuple(np.atleast_1d(axis))
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def updated(base, index, value):
    changed = np.array(base, float)
    changed[index] = value
    return changed


def windowed_product(images, weights, bias, stride, dilation):
    """Σ over the cells of each window, cell by cell."""
    _, high, wide, batch = images.shape
    count, _, m, n = weights.shape
    rows = (high - (m - 1) * dilation[0] - 1) // stride[0] + 1
    columns = (wide - (n - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((count, rows, columns, batch))
    for k in range(count):
        for u in range(rows):
            for v in range(columns):
                for i in range(m):
                    for j in range(n):
                        cell = images[:, u * stride[0] + i * dilation[0], v * stride[1] + j * dilation[1]]
                        y[k, u, v] += weights[k, :, i, j] @ cell
        y[k] += bias[k]
    return y


FUNCTIONS = {name: getattr(np, name) for name in dir(np) if not name.startswith("_")} | {
    "sigmoid": sigmoid, "softmax": softmax, "updated": updated, "windowed_product": windowed_product,
}  # fmt: skip


def run(lines, values):
    """The values by name after assignments; ``values`` is extended."""
    for line in lines:
        with np.errstate(all="ignore"):
            exec(line, dict(FUNCTIONS), values)
    return values


def run_steps(lines, values, count, states):
    """The same for the lines of a step, for ``count`` steps: values over time are indexed by the step."""
    for name in set(re.findall(r"(\w+)\[t(?:-1)?\]", "\n".join(lines))):
        values.setdefault(name, {})
    for name, start in states.items():
        values[name] = {-1: start}
    code = [compile(line, "equation", "exec") for line in lines]
    for t in range(count):
        with np.errstate(all="ignore"):
            for each in code:
                exec(each, dict(FUNCTIONS) | values | {"t": t})
    return values
