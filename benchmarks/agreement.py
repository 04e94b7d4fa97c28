"""Contenders that compute different numbers are not timed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Largest difference allowed, relative to the largest number of the array: some hundred times what rounding makes.
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}


def agree(results: Mapping[str, Mapping[str, np.ndarray]], dtype: str) -> None:
    """Compare everybody's named arrays with those of the first.

    Raises
    ------
    SystemExit
        If they differ in name, shape, dtype or by more than the tolerance.
    """
    first, expected = next(iter(results.items()))
    for name, found in results.items():
        if found.keys() != expected.keys():
            raise SystemExit(f"{name} returns {sorted(found)}, {first} {sorted(expected)}")
        for key, array in expected.items():
            _compare(f"{key!r} of {name}", np.asarray(found[key]), f"that of {first}", np.asarray(array), dtype)


def _compare(this: str, found: np.ndarray, other: str, expected: np.ndarray, dtype: str) -> None:
    if (found.shape, found.dtype.name) != (expected.shape, dtype):
        raise SystemExit(f"{this} is {found.dtype} {found.shape}, {other} {dtype} {expected.shape}")
    worst = np.abs(found - expected).max() / np.abs(expected).max()
    if not worst <= TOLERANCE[dtype]:
        raise SystemExit(f"{this} is not {other}: relative difference {worst:.1e}")
