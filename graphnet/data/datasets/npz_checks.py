"""Checks of the arrays in a user's npz file: two splits that fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import DataError, DtypeError, ShapeError
from graphnet.data.datasets.npz_keys import SPLITS, ragged

Arrays = Mapping[str, NDArray[Any]]


def check_alike(arrays: Arrays, names: list[str], path: Path) -> None:
    """Check that the examples of both splits have the same axes.

    Raises
    ------
    ShapeError
        If an input has lengths in one split only, or the axes after the first differ.
    """
    for name in [*names, "target"]:
        train_axes, test_axes = (arrays[f"{split}_{name}"].shape[1:] for split in SPLITS)
        train_ragged, test_ragged = (ragged(arrays, split, name) for split in SPLITS)
        if train_axes != test_axes or train_ragged != test_ragged:
            raise ShapeError(
                "the examples of the test split have other axes than those of the train split",
                where=f"{path}: test_{name}",
                expected=_axes(train_axes, train_ragged),
                received=_axes(test_axes, test_ragged),
            )


def class_names(arrays: Arrays, path: Path) -> tuple[str, ...]:
    """The names of the classes; an empty tuple if the file has none.

    Raises
    ------
    DtypeError, ShapeError
        If they are not text with one axis.
    DataError
        If a class number among the targets has no name.
    """
    if "classes" not in arrays:
        return ()
    names = arrays["classes"]
    if names.dtype.kind != "U":
        raise DtypeError("class names must be text", where=f"{path}: classes", expected="str", received=names.dtype)
    if names.ndim != 1:
        raise ShapeError(
            "class names must have one axis", where=f"{path}: classes", expected="(classes,)", received=names.shape
        )
    for split in SPLITS:
        _check_targets(arrays[f"{split}_target"], len(names), f"{path}: {split}_target")
    return tuple(str(name) for name in names)


def _check_targets(targets: NDArray[Any], count: int, where: str) -> None:
    if targets.dtype.kind not in "iu" or targets.ndim != 1:
        raise DtypeError(
            "with class names, targets must be class numbers",
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


def _axes(shape: tuple[int, ...], is_ragged: bool) -> str:
    return f"({', '.join(['n', *(['time'] if is_ragged else []), *map(str, shape)])})"
