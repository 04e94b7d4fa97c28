"""Numeric derivatives, and comparison with them."""

import numpy as np


def numeric(f, x, h=1e-4):
    """The derivative of a scalar function at ``x`` by central differences with one Richardson step (error of order h⁴)."""
    found = np.zeros(np.shape(x))
    for index in np.ndindex(*np.shape(x)):

        def slope(step, index=index):
            up, down = np.array(x, float), np.array(x, float)
            up[index] += step
            down[index] -= step
            return (f(up) - f(down)) / (2 * step)

        found[index] = (4 * slope(h / 2) - slope(h)) / 3
    return found


def close(found, expected, tolerance=1e-6):
    """Require the largest difference, relative to the largest number expected, to be within ``tolerance``."""
    assert np.shape(found) == np.shape(expected)
    scale = max(np.abs(expected).max(initial=0.0), 1e-2)
    worst = np.abs(np.asarray(found) - expected).max(initial=0.0) / scale
    assert worst <= tolerance, f"relative difference {worst:.2e}"
