"""Comparison of the contenders' results: a benchmark stops if they differ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Largest difference allowed, relative to the largest number of the array: some hundred times the rounding error.
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}


def agree(results: Mapping[str, Mapping[str, np.ndarray]], dtype: str) -> None:
    """Compare the named arrays of every contender with those of the first.

    Raises
    ------
    SystemExit
        If they differ in name, shape, dtype or by more than the tolerance.
    """
    first, expected = next(iter(results.items()))
    for name, arrays in results.items():
        if arrays.keys() != expected.keys():
            raise SystemExit(f"{name} returns {sorted(arrays)}, {first} {sorted(expected)}")
        for key, array in expected.items():
            _compare(f"{key!r} of {name}", np.asarray(arrays[key]), f"that of {first}", np.asarray(array), dtype)


def _compare(this: str, arrays: np.ndarray, other: str, expected: np.ndarray, dtype: str) -> None:
    if (arrays.shape, arrays.dtype.name) != (expected.shape, dtype):
        raise SystemExit(f"{this} is {arrays.dtype} {arrays.shape}, {other} {dtype} {expected.shape}")
    worst = np.abs(arrays - expected).max() / np.abs(expected).max()
    if not worst <= TOLERANCE[dtype]:
        raise SystemExit(f"{this} is not {other}: relative difference {worst:.1e}")
