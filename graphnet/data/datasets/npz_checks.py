"""The values in a user's npz file: numbers that can be computed with, and two splits that fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import DataError, DtypeError, ShapeError
from graphnet.data.datasets.npz_keys import SPLITS, ragged

Arrays = Mapping[str, NDArray[Any]]


def numbers(array: NDArray[Any], where: str) -> NDArray[Any]:
    """``array``, where it holds finite real numbers on at least one axis.

    Raises
    ------
    DtypeError, ShapeError, DataError
        It holds something else; it is a single number; a value is NaN or infinite.
    """
    if array.dtype.kind not in "fiub":
        raise DtypeError(
            "the array does not hold real numbers",
            where=where,
            expected="floats, integers or booleans",
            received=array.dtype,
        )
    if array.ndim == 0:
        raise ShapeError(
            "the array has no axis", where=where, expected="examples on axis 0", received="a single number"
        )
    wrong = ~np.isfinite(array)
    if np.any(wrong):
        at = tuple(int(position) for position in np.argwhere(wrong)[0])
        raise DataError(
            "a value is not a finite number",
            where=where,
            expected="no NaN and no infinity",
            received=f"{array[at]} at {at}",
        )
    return array


def check_alike(arrays: Arrays, names: list[str], path: Path) -> None:
    """Refuse a test split whose examples have other axes than those of the train split.

    Raises
    ------
    ShapeError
        An input has lengths in one split alone, or the axes after the first differ.
    """
    for name in [*names, "target"]:
        first, second = (arrays[f"{split}_{name}"].shape[1:] for split in SPLITS)
        uneven, other = (ragged(arrays, split, name) for split in SPLITS)
        if first != second or uneven != other:
            raise ShapeError(
                "the examples of the test split have other axes than those of the train split",
                where=f"{path}: test_{name}",
                expected=_axes(first, uneven),
                received=_axes(second, other),
            )


def class_names(arrays: Arrays, path: Path) -> tuple[str, ...]:
    """The names of the classes, or an empty tuple where the file has none.

    Raises
    ------
    DtypeError, ShapeError
        They are not one axis of text.
    DataError
        A target is a class number that has no name.
    """
    if "classes" not in arrays:
        return ()
    names = arrays["classes"]
    if names.dtype.kind != "U":
        raise DtypeError("class names are text", where=f"{path}: classes", expected="str", received=names.dtype)
    if names.ndim != 1:
        raise ShapeError(
            "class names have one axis", where=f"{path}: classes", expected="(classes,)", received=names.shape
        )
    for split in SPLITS:
        _check_targets(arrays[f"{split}_target"], len(names), f"{path}: {split}_target")
    return tuple(str(name) for name in names)


def _check_targets(targets: NDArray[Any], count: int, where: str) -> None:
    if targets.dtype.kind not in "iu" or targets.ndim != 1:
        raise DtypeError(
            "with class names, targets are class numbers",
            where=where,
            expected="integers, (n,)",
            received=f"{targets.dtype}, {targets.shape}",
        )
    wrong = (targets < 0) | (targets >= count)
    if np.any(wrong):
        raise DataError(
            "a class number has no name",
            where=where,
            expected=f"0 to {count - 1}",
            received=f"{targets[wrong][0]} at position {int(np.argmax(wrong))}",
        )


def _axes(shape: tuple[int, ...], uneven: bool) -> str:
    return f"({', '.join(['n', *(['time'] if uneven else []), *map(str, shape)])})"
