"""A user's own data set, from one npz file."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import FileError, GraphnetError, ShapeError
from graphnet.data.datasets.dataset import Dataset, Input, Split
from graphnet.data.datasets.npz_checks import check_alike, class_names, numbers
from graphnet.data.datasets.npz_keys import LENGTHS, input_names, ragged
from graphnet.data.datasets.ragged import cut

Arrays = dict[str, NDArray[Any]]


def npz(path: str | os.PathLike[str]) -> Dataset:
    """A data set from a file that ``numpy.savez`` or ``numpy.savez_compressed`` wrote.

    Its keys, with ``SPLIT`` for ``train`` and for ``test`` (both are needed) and ``INPUT`` for the name of an input:

    ======================  ==================================  =============================================
    key                     shape                               contents
    ======================  ==================================  =============================================
    ``SPLIT_INPUT``         (n, ...), or with lengths           floats, integers or booleans
                            (all frames, ...)
    ``SPLIT_INPUT_lengths`` (n,), optional                      the input is a list of n sequences
                                                                ``(time, ...)``, stored end to end; 0 or more
    ``SPLIT_target``        (n, ...), or with lengths           class numbers (integers), or numbers to predict
                            (all frames, ...)
    ``SPLIT_target_lengths`` (n,), optional                     a target for each step: n sequences, end to end
    ``classes``             (classes,), optional                the names of the classes; text
    ======================  ==================================  =============================================

    Dtypes are kept.

    Raises
    ------
    FileError
        If there is no such file, it is not an npz file, it holds Python objects (which are never unpickled), or a key
        is missing or unknown.
    DtypeError
        If an array does not hold real numbers.
    ShapeError
        If lengths do not add up to the frames, an input and the target differ in the number of examples, or the two
        splits differ in axes.
    DataError
        If a value is NaN or infinite, a length is negative, or a class number has no name.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "steps.npz"
    >>> part = {"x": np.arange(10.0).reshape(5, 2), "x_lengths": [3, 2], "target": [0, 1]}
    >>> np.savez(file, **{f"{split}_{key}": value for split in ("train", "test") for key, value in part.items()})
    >>> npz(file).train.inputs["x"][1].tolist()
    [[6.0, 7.0], [8.0, 9.0]]
    """
    path = Path(path)
    arrays = load_arrays(path)
    names = input_names(arrays, path)
    train, test = _split(arrays, names, "train", path), _split(arrays, names, "test", path)
    check_alike(arrays, names, path)
    return Dataset(
        name=str(path),
        train=train,
        test=test,
        classes=class_names(arrays, path),
        source=str(path),
        description=f"train: {train!r}; test: {test!r}",
    )


def _split(arrays: Arrays, names: list[str], split: str, path: Path) -> Split:
    inputs = {name: _input(arrays, f"{split}_{name}", ragged(arrays, split, name), path) for name in names}
    targets = _input(arrays, f"{split}_target", ragged(arrays, split, "target"), path)
    try:
        return Split(inputs, targets)
    except ShapeError as error:
        raise error.at(f"{path}: {split}") from None


def _input(arrays: Arrays, key: str, uneven: bool, path: Path) -> Input:
    values = numbers(arrays[key], f"{path}: {key}")
    return cut(values, arrays[key + LENGTHS], f"{path}: {key}{LENGTHS}") if uneven else values


def load_arrays(path: Path) -> Arrays:
    """All arrays of an npz file by key.

    Raises
    ------
    FileError
        If the file or an array in it cannot be read.
    """
    try:
        # Opened here, because numpy does not close a file that it opened itself if the zip archive is broken.
        with path.open("rb") as stream:
            return _members(np.load(stream, allow_pickle=False), path)
    except GraphnetError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise _unreadable("the file", str(path), error) from error


def _members(file: object, path: Path) -> Arrays:
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise FileError("the file is one array", where=str(path), expected="an npz file", received="an npy file")
    return {key: _array(file, key, path) for key in file.files}


def _array(file: np.lib.npyio.NpzFile, key: str, path: Path) -> NDArray[Any]:
    try:
        return np.asarray(file[key])
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable("the array", f"{path}: {key}", error) from error


def _unreadable(what: str, where: str, error: Exception) -> FileError:
    return FileError(
        f"{what} cannot be read",
        where=where,
        expected="arrays of numbers or text, as numpy.savez writes them",
        received=f"{type(error).__name__}: {error}",
        remedy="Python objects are never loaded: store sequences end to end, with their lengths",
    )
