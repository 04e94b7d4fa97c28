"""Paths of data in settings, as distinct from the names of data sets."""

from __future__ import annotations

import os
from pathlib import Path

from graphnet.core.files.source import is_regular

#: Endings of files of data, of any kind: a name with one of them is a path, and a reader says what it expects.
ENDINGS = (".npz", ".npy", ".csv", ".tsv", ".txt", ".json", ".pkl", ".parquet", ".h5", ".hdf5", ".mat", ".zip", ".gz")


def is_file(data: str, folder: str | os.PathLike[str] = ".") -> bool:
    """Whether ``data`` is the path of a file or folder rather than the name of a data set.

    Examples
    --------
    >>> is_file("steps.npz"), is_file("/dev/fd/63"), is_file("./steps"), is_file("japanese_vowels")
    (True, True, True, False)
    """
    if data.lower().endswith(ENDINGS) or data.startswith(("/", "./", "../", "~")):
        return True
    path = Path(folder) / data
    return is_regular(path) or path.is_dir()


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The folder to which the paths in a model file are relative; for a pipe, the working directory."""
    return Path(path).parent if is_regular(path) else Path()
