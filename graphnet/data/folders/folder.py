"""A data set from a folder with one folder for each class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core import checks
from graphnet.core.arguments import explained
from graphnet.core.errors import ConfigError, DataError, FileError
from graphnet.data.dataset import Dataset, Split
from graphnet.data.folders.files import read_files
from graphnet.data.folders.schema import FolderSchema

SPLITS = ("train", "test", "validation")


@explained
def folder(path: str | os.PathLike[str], **settings: Any) -> Dataset:
    """A data set from a folder of images, or of ``.npy`` files, with one folder for each class.

    ``path/CLASS/FILE``, or ``path/train/CLASS/FILE`` and ``path/test/CLASS/FILE`` (and ``validation``). The classes are
    the names of the folders, sorted. Images are ``(n, channels, height, width)`` float32 from 0 (black) to 1. Arrays of
    one shape are ``(n, …)``; arrays that differ in their first axis are sequences ``(time, …)``. Files and folders
    whose name begins with a point are left out.

    Parameters
    ----------
    path : path
    **settings
        The fields of :class:`FolderSchema`: ``size``, ``channels``, ``test``, ``validation``, ``seed``, ``input``.

    Raises
    ------
    ConfigError
        If a setting is invalid.
    FileError
        If the folder or a file cannot be read.
    ShapeError, DtypeError, DataError
        If the files do not have the same form; the message names the file.
    PluginError
        If Pillow, which reads images, is not installed.
    """
    return read_folder(checks.path("folder", path), FolderSchema.of(settings, "folder"))


def read_folder(path: Path, schema: FolderSchema) -> Dataset:
    """The data set in a folder."""
    if not os.path.isdir(path):
        raise FileError("cannot be read", where=str(path), expected="a folder with a folder for each class",
                        received="a file" if os.path.exists(path) else "nothing")  # fmt: skip
    inside = _folders(path)
    divided = {"train", "test"} <= set(inside) <= set(SPLITS)
    roots = {name: path / name for name in inside} if divided else {"train": path}
    classes = sorted({name for root in roots.values() for name in _folders(root)})
    if len(classes) < 2:
        raise DataError("fewer than two classes", where=str(path), expected="a folder for each class",
                        received=", ".join(classes) or "no folders")  # fmt: skip
    listed = {name: _listed(root, classes) for name, root in roots.items()}
    every = [file for files in listed.values() for file, _ in files]
    if not every:
        raise DataError("the folders are empty", where=str(path), expected="images, or .npy files", received="none")
    arrays = read_files(every, schema)
    labels = np.array([label for files in listed.values() for _, label in files], np.int64)
    sides = _declared(listed) if divided else _drawn(labels, schema)
    parts = {name: _split(arrays, labels, np.flatnonzero(sides == i), schema) for i, name in enumerate(SPLITS)}
    if not len(parts["train"]):
        raise ConfigError("no example is left for training", where=str(path), expected="smaller shares")
    return Dataset(
        name=str(path),
        train=parts["train"],
        test=parts["test"],
        validation=parts["validation"] if len(parts["validation"]) else None,
        classes=tuple(classes),
        source=str(path),
        description=f"train: {parts['train']!r}; test: {parts['test']!r}",
    )


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith("."))


def _listed(root: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """The files of a split with their class numbers, sorted by name."""
    return [
        (root / name / file, label)
        for label, name in enumerate(classes)
        if os.path.isdir(root / name)
        for file in sorted(os.listdir(root / name))
        if not file.startswith(".")
    ]


def _declared(listed: dict[str, list[tuple[Path, int]]]) -> Any:
    return np.concatenate([np.full(len(files), SPLITS.index(name)) for name, files in listed.items()])


def _drawn(labels: Any, schema: FolderSchema) -> Any:
    """The side of each example: from each class the shares (rounded) are drawn."""
    rng = np.random.default_rng(schema.seed)
    sides = np.zeros(len(labels), np.int64)
    for label in range(int(labels.max()) + 1):
        order = rng.permutation(np.flatnonzero(labels == label))
        test, validation = (round(share * len(order)) for share in (schema.test, schema.validation))
        sides[order[:test]] = SPLITS.index("test")
        sides[order[test : test + validation]] = SPLITS.index("validation")
    return sides


def _split(arrays: Any, labels: Any, rows: Any, schema: FolderSchema) -> Split:
    values = [arrays[i] for i in rows] if isinstance(arrays, list) else arrays[rows]
    return Split({schema.input: values}, labels[rows])
