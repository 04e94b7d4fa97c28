"""Arrays inside nested tuples, lists and dicts: iteration, equality, and detection of in-place writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


def iter_arrays(nest: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield every array in a nest of tuples, lists and dicts with its path."""
    if isinstance(nest, np.ndarray):
        yield path, nest
    elif isinstance(nest, (tuple, list)):
        for i, part in enumerate(nest):
            yield from iter_arrays(part, f"{path}[{i}]")
    elif isinstance(nest, dict):
        for name, part in nest.items():
            yield from iter_arrays(part, f"{path}[{name!r}]" if path else str(name))


class Recorded(NamedTuple):
    """One array of a nest, with a copy of its contents and its writeable flag at the time of recording."""

    path: str
    array: np.ndarray
    contents: np.ndarray
    writeable: bool


def record(nest: Any) -> list[Recorded]:
    """Record the current contents of every array in a nest."""
    return [Recorded(path, array, array.copy(), array.flags.writeable) for path, array in iter_arrays(nest)]


def first_modified(records: list[Recorded]) -> str | None:
    """Return the path of the first array that changed since it was recorded; None if none did."""
    for path, array, contents, writeable in records:
        if array.flags.writeable != writeable or not np.array_equal(array, contents, equal_nan=_is_float(array)):
            return path
    return None


def equal(a: Any, b: Any) -> bool:
    """Return whether two nests hold equal arrays; NaN equals NaN."""
    first, second = list(iter_arrays(a)), list(iter_arrays(b))
    return len(first) == len(second) and all(
        x.shape == y.shape and np.array_equal(x, y, equal_nan=_is_float(x) and _is_float(y))
        for (_, x), (_, y) in zip(first, second, strict=True)
    )


def _is_float(array: np.ndarray) -> bool:
    return array.dtype.kind == "f"
