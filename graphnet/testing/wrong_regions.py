"""Where a derivative is wrong, if no relation to the expected one is recognized: by values, by indices."""

from __future__ import annotations

import numpy as np


def wrong_region(variable: np.ndarray, wrong: np.ndarray, checked: np.ndarray) -> str:
    """Describe which of the checked elements are wrong; empty if neither their values nor one axis tell them apart.

    Parameters
    ----------
    variable : array
        The values of the input or weight.
    wrong, checked : array of bool
        Of the same shape; wrong elements are checked ones.

    Examples
    --------
    >>> x = np.array([0.5, 2.0, -1.5, 3.0])
    >>> wrong_region(x, x > 1, np.ones(4, bool))
    'only where its value is above 1'
    """
    right = checked & ~wrong
    if wrong.sum() < 2 or right.sum() < 2:
        return ""
    return _by_index(wrong, right) or _by_value(variable, wrong, right)


def _by_index(wrong: np.ndarray, right: np.ndarray) -> str:
    """Describe the side of one axis on which all wrong elements are, if all right ones are on the other side."""
    wrong_at, right_at = np.nonzero(wrong), np.nonzero(right)
    for axis in range(wrong.ndim):
        if wrong_at[axis].max() < right_at[axis].min():
            return f"only at indices up to about {wrong_at[axis].max()} of axis {axis}"
        if wrong_at[axis].min() > right_at[axis].max():
            return f"only at indices from about {wrong_at[axis].min()} on of axis {axis}"
    return ""


def _by_value(variable: np.ndarray, wrong: np.ndarray, right: np.ndarray) -> str:
    for what, values in (("its value", variable), ("its size", np.abs(variable))):
        inside, outside = values[wrong], values[right]
        if inside.min() > outside.max():
            return f"only where {what} is above {_between(outside.max(), inside.min())}"
        if inside.max() < outside.min():
            return f"only where {what} is below {_between(inside.max(), outside.min())}"
    return ""


def _between(low: float, high: float) -> str:
    """Return the shortest number between two."""
    for digits in range(1, 6):
        middle = float(f"{(low + high) / 2:.{digits}g}")
        if low <= middle <= high:
            return "0" if low <= 0 <= high else f"{middle:g}"
    return f"{(low + high) / 2:.6g}"
