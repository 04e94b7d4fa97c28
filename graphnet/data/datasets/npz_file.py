"""A user's own data set, from one npz file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from graphnet.core import checks
from graphnet.core.arguments import explained
from graphnet.core.errors import ShapeError
from graphnet.core.files.arrays import NPZ, read_npz
from graphnet.core.files.border import reading
from graphnet.data.dataset import Dataset, Input, Split
from graphnet.data.datasets.npz_checks import check_alike, class_names
from graphnet.data.datasets.npz_keys import LENGTHS, input_names, ragged
from graphnet.data.datasets.ragged import cut
from graphnet.data.finite import numbers

Arrays = dict[str, NDArray[Any]]


@explained
def npz(path: str | os.PathLike[str], *, max_bytes: int | None = None) -> Dataset:
    """A data set from a file that ``numpy.savez`` or ``numpy.savez_compressed`` wrote.

    Its keys, with ``SPLIT`` for ``train`` and for ``test`` (both are needed) and ``INPUT`` for the name of an input:

    ========================  ==================================  =============================================
    key                       shape                               contents
    ========================  ==================================  =============================================
    ``SPLIT_INPUT``           (n, ...), or with lengths           floats, integers or booleans
                              (all frames, ...)
    ``SPLIT_INPUT_lengths``   (n,), optional                      the input is a list of n sequences
                                                                  ``(time, ...)``, stored end to end; 0 or more
    ``SPLIT_target``          (n, ...), or with lengths           class numbers, labels (text), or numbers to predict
                              (all frames, ...)
    ``SPLIT_target_lengths``  (n,), optional                      a target for each step: n sequences, end to end
    ``classes``               (classes,), optional                the names of the classes; text
    ========================  ==================================  =============================================

    Dtypes are kept.

    Parameters
    ----------
    path : path
    max_bytes : int, optional
        The bytes that the arrays of a compressed file may have together. None: 256 MiB, or 64 times the size of the
        file if that is more, so that a small damaged file cannot fill the memory. An uncompressed file has no limit.

    Raises
    ------
    FileError
        If there is no such file, it is not an npz file, it holds Python objects (which are never unpickled), its arrays
        would need more memory than ``max_bytes``, or a key is missing or unknown.
    DtypeError
        If an array does not hold real numbers.
    ShapeError
        If lengths do not add up to the frames, an input and the target differ in the number of examples, or the two
        splits differ in axes.
    DataError
        If a value is NaN or infinite, a length is negative, or a class number has no name.

    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "steps.npz"
    >>> part = {"x": np.arange(10.0).reshape(5, 2), "x_lengths": [3, 2], "target": [0, 1]}
    >>> np.savez(file, **{f"{split}_{key}": value for split in ("train", "test") for key, value in part.items()})
    >>> npz(file).train.inputs["x"][1].tolist()
    [[6.0, 7.0], [8.0, 9.0]]
    """
    path = checks.path("npz", path)
    checks.integer("npz", "max_bytes", max_bytes, 1, optional=True)
    with reading(path, NPZ):
        return _dataset(load_arrays(path, max_bytes), path)


def _dataset(arrays: Arrays, path: Path) -> Dataset:
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
    targets = _input(arrays, f"{split}_target", ragged(arrays, split, "target"), path, labels=True)
    try:
        return Split(inputs, targets)
    except ShapeError as error:
        raise error.at(f"{path}: {split}") from None


def _input(arrays: Arrays, key: str, uneven: bool, path: Path, *, labels: bool = False) -> Input:
    text = labels and arrays[key].dtype.kind == "U" and arrays[key].ndim > 0
    values = arrays[key] if text else numbers(arrays[key], f"{path}: {key}")
    return cut(values, arrays[key + LENGTHS], f"{path}: {key}{LENGTHS}") if uneven else values


def load_arrays(path: Path, max_bytes: int | None = None) -> Arrays:
    """All arrays of an npz file by key, as :func:`graphnet.core.files.arrays.read_npz` reads them.

    Raises
    ------
    FileError
        If the file or an array in it cannot be read.
    """
    return read_npz(path, max_bytes)
