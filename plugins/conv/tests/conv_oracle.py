"""Oracles: convolution and pooling as plain loops, and numeric derivatives."""

from itertools import product

import numpy as np


def each_axis(value, axes):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


def margins(padding, kernel, dilation):
    """Zeros (before, after) each spatial axis by the contract: an odd cell is added at the end."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        actual = []
        for m, d in zip(kernel, dilation, strict=True):
            before = after = 0
            while before + after < d * (m - 1):
                before, after = (before, after + 1) if after == before else (before + 1, after)
            actual.append((before, after))
        return actual
    return [each_axis(p, 2) for p in each_axis(padding, len(kernel))]


def reach(size, before, after, m, d, s):
    """First cells (may be negative: padding) of the windows along one axis."""
    return [at for at in range(-before, size + after, s) if at + d * (m - 1) < size + after]


def convolve(x, weights, bias, stride=1, padding="same", dilation=1):
    """Cross-correlation cell by cell; cells outside the input count as zeros."""
    kernel, axes = weights.shape[2:], weights.ndim - 2
    stride, dilation = each_axis(stride, axes), each_axis(dilation, axes)
    pads = margins(padding, kernel, dilation)
    starts = [reach(x.shape[2 + a], *pads[a], kernel[a], dilation[a], stride[a]) for a in range(axes)]
    y = np.zeros((len(x), len(weights), *map(len, starts)))
    for b, k, *place in np.ndindex(*y.shape):
        total = float(bias[k])
        for c, *cell in np.ndindex(*weights.shape[1:]):
            at = [starts[a][place[a]] + dilation[a] * cell[a] for a in range(axes)]
            if all(0 <= i < n for i, n in zip(at, x.shape[2:], strict=True)):
                total += float(weights[(k, c, *cell)]) * float(x[(b, c, *at)])
        y[(b, k, *place)] = total
    return y


def windows(x, window, stride):
    """For each window, its position in the output and the indices into ``x`` of its cells in row-major order."""
    axes = len(window)
    stride = each_axis(stride, axes)
    starts = [reach(x.shape[2 + a], 0, 0, window[a], 1, stride[a]) for a in range(axes)]
    for b, c in np.ndindex(*x.shape[:2]):
        for place in np.ndindex(*map(len, starts)):
            first = [starts[a][place[a]] for a in range(axes)]
            cells = product(*(range(f, f + w) for f, w in zip(first, window, strict=True)))
            yield (b, c, *place), [(b, c, *cell) for cell in cells]


def pool(x, window, stride, error=None, average=False):
    """Outputs by position, and the error for ``x`` from errors by position (default: ones)."""
    actual, pulled = {}, np.zeros(x.shape)
    for place, cells in windows(x, window, stride):
        values = [float(x[cell]) for cell in cells]
        e = 1.0 if error is None else float(error[place])
        if average:
            actual[place] = sum(values) / len(values)
            for cell in cells:
                pulled[cell] += e / len(cells)
        else:
            actual[place] = max(values)
            pulled[cells[values.index(max(values))]] += e
    shape = tuple(max(p[a] for p in actual) + 1 for a in range(x.ndim))
    return np.array([actual[p] for p in np.ndindex(*shape)]).reshape(shape), pulled


def slopes(f, x, h=1e-4):
    """Central differences of a scalar function at ``x``, improved by one Richardson step."""
    actual = np.zeros(np.shape(x))
    for index in np.ndindex(*np.shape(x)):
        values = []
        for step in (h / 2, -h / 2, h, -h):
            moved = np.array(x, dtype=float)
            moved[index] += step
            values.append(f(moved))
        actual[index] = (4 * (values[0] - values[1]) / h - (values[2] - values[3]) / (2 * h)) / 3
    return actual


def agree(actual, expected, tolerance=1e-6):
    """Check that shapes are equal and the largest relative difference is within ``tolerance``."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    worst = np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-3)
    assert worst <= tolerance, f"relative difference {worst:.2e}"
    return True
