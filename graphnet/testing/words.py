"""What the difference between two arrays looks like, in words: a fault is easier to find when it has a name."""

from __future__ import annotations

import numpy as np


def difference(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> str:
    """How ``found`` differs from ``expected``; both of one shape.

    Examples
    --------
    >>> difference(np.array([[2.0, -4.0]]), np.array([[-2.0, 4.0]]))
    'all of it is -1 times what it should be (the sign)'
    """
    if not np.isfinite(found).all():
        return f"it has NaN or infinity at {_place(~np.isfinite(found))}"
    scale = np.abs(expected).max(initial=0.0)
    wrong = np.abs(found - expected) > tolerance * max(scale, 1e-6)
    if not np.abs(found).max(initial=0.0) > 0:
        return "it is zero throughout"
    if scale <= 1e-12:
        return f"it should be zero; largest {np.abs(found).max():.3g} at {_place(wrong)}"
    ratio = _ratio(found, expected)
    if ratio is not None:
        named = {-1.0: " (the sign)"}.get(round(ratio, 6), "")
        return f"all of it is {ratio:.6g} times what it should be{named}"
    return _pattern(found, expected, wrong, tolerance * scale) or (
        f"{wrong.sum()} of {wrong.size} numbers differ, most at {_worst(found, expected)}"
    )


def _pattern(found: np.ndarray, expected: np.ndarray, wrong: np.ndarray, small: float) -> str:
    """A transposition, or one place along one axis."""
    if found.ndim == 2 and found.shape[0] == found.shape[1] and np.abs(found.T - expected).max() <= small:
        return "it is the transpose of what it should be"
    for axis in range(found.ndim):
        others = tuple(i for i in range(found.ndim) if i != axis)
        here = np.flatnonzero(wrong.any(axis=others))
        if found.shape[axis] > 1 and len(here) == 1:
            part = np.take(found, here[0], axis), np.take(expected, here[0], axis)
            ratio = _ratio(*part)
            told = "" if ratio is None else f", where it is {ratio:.6g} times what it should be"
            return f"it is wrong only at index {here[0]} of axis {axis}{told}"
    return ""


def _ratio(found: np.ndarray, expected: np.ndarray) -> float | None:
    """The one factor between two arrays; None where there is none."""
    large = np.abs(expected) > 0.05 * np.abs(expected).max(initial=0.0)
    if not large.any():
        return None
    ratios = found[large] / expected[large]
    ratio = float(np.median(ratios))
    rest = np.abs(found - ratio * expected).max() <= 1e-3 * np.abs(expected).max() * max(1.0, abs(ratio))
    return ratio if rest and np.allclose(ratios, ratio, rtol=1e-2) else None


def _place(where: np.ndarray) -> str:
    return str(tuple(int(i[0]) for i in np.nonzero(where))) if where.any() else "no place"


def _worst(found: np.ndarray, expected: np.ndarray) -> str:
    index = np.unravel_index(int(np.abs(found - expected).argmax()), found.shape)
    place = tuple(int(i) for i in index)
    return f"{place}: expected {expected[index]:.6g}, received {found[index]:.6g}"


def compare(found: np.ndarray, expected: np.ndarray, tolerance: float, least: float = 1e-2) -> str | None:
    """None where two arrays agree to a tolerance relative to the largest number, else their difference in words."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return f"expected shape {expected.shape}, received {found.shape}"
    if found.dtype.kind in "biu" or expected.dtype.kind in "biu":
        return None if np.array_equal(found, expected) else difference(found.astype(float), expected.astype(float))
    a, b = found.astype(np.float64), expected.astype(np.float64)
    if (
        not np.isfinite(a).all()
        and np.array_equal(np.isnan(a), np.isnan(b))
        and np.array_equal(np.isinf(a), np.isinf(b))
    ):
        a, b = np.nan_to_num(a, posinf=0, neginf=0), np.nan_to_num(b, posinf=0, neginf=0)
    worst = np.abs(a - b).max(initial=0.0)
    if worst <= tolerance * max(np.abs(b).max(initial=0.0), least):
        return None
    return difference(a, b, min(tolerance * 10, 1e-2))
