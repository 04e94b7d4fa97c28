"""Descriptions of the difference between two arrays; see :mod:`graphnet.testing.difference_patterns`."""

from __future__ import annotations

import numpy as np

from graphnet.testing.difference_patterns import pattern, ratio


def compare(actual: np.ndarray, desired: np.ndarray, tolerance: float, least: float = 1e-2) -> str | None:
    """Return None if two arrays agree to a tolerance relative to the largest element, else a description.

    NaN and infinity agree with themselves. Integers and booleans must be equal.
    """
    actual, desired = np.asarray(actual), np.asarray(desired)
    if actual.shape != desired.shape:
        return f"expected shape {desired.shape}, received {actual.shape}"
    if actual.dtype.kind in "biu" or desired.dtype.kind in "biu":
        equal = np.array_equal(actual, desired)
        return None if equal else describe_difference(actual.astype(float), desired.astype(float))
    a, b = actual.astype(np.float64), desired.astype(np.float64)
    if (
        not np.isfinite(a).all()
        and np.array_equal(np.isnan(a), np.isnan(b))
        and np.array_equal(np.isinf(a), np.isinf(b))
    ):
        a, b = np.nan_to_num(a, posinf=0, neginf=0), np.nan_to_num(b, posinf=0, neginf=0)
    worst = np.abs(a - b).max(initial=0.0)
    if worst <= tolerance * max(np.abs(b).max(initial=0.0), least):
        return None
    return describe_difference(a, b, min(tolerance * 10, 1e-2))


def describe_difference(actual: np.ndarray, desired: np.ndarray, tolerance: float = 1e-4) -> str:
    """Describe how ``actual`` differs from ``desired``, which has the same shape.

    Examples
    --------
    >>> describe_difference(np.array([[2.0, -4.0]]), np.array([[-2.0, 4.0]]))
    'every element is -1 times the expected value (wrong sign)'
    """
    if not np.isfinite(actual).all():
        return f"NaN or infinity at {_first_index(~np.isfinite(actual))}"
    scale = np.abs(desired).max(initial=0.0)
    wrong = np.abs(actual - desired) > tolerance * max(scale, 1e-6)
    if not np.abs(actual).max(initial=0.0) > 0:
        return "every element is zero"
    if scale <= 1e-12:
        return f"expected zero; largest element {np.abs(actual).max():.3g}, first at {_first_index(wrong)}"
    factor = ratio(actual, desired)
    if factor is not None:
        sign = " (wrong sign)" if round(factor, 6) == -1.0 else ""
        return f"every element is {factor:.6g} times the expected value{sign}"
    return pattern(actual, desired, wrong, tolerance * scale) or (
        f"{wrong.sum()} of {wrong.size} elements differ, most at {_worst(actual, desired)}"
    )


def _first_index(mask: np.ndarray) -> str:
    return str(tuple(int(i[0]) for i in np.nonzero(mask))) if mask.any() else "no index"


def _worst(actual: np.ndarray, desired: np.ndarray) -> str:
    index = np.unravel_index(int(np.abs(actual - desired).argmax()), actual.shape)
    shown = tuple(int(i) for i in index)
    return f"{shown}: expected {desired[index]:.6g}, received {actual[index]:.6g}"
