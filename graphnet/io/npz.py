"""Writing named arrays as an ``.npz`` file, without pickling."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphnet.core.array_types import plain
from graphnet.core.errors import FileError
from graphnet.io import atomic


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write arrays that ``numpy.load`` reads by the same names; the file is written atomically.

    Unlike in ``numpy.savez``, arrays may be named ``file`` or ``allow_pickle``.

    Raises
    ------
    FileError
        If a name is not valid, an array holds Python objects, or the file cannot be written.
    DtypeError
        If a value is not a plain array, such as a masked array.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mktemp(".npz")
    >>> write_npz(path, {"file": [1.0, 2.0]})
    >>> np.load(path)["file"]
    array([1., 2.])
    """
    check_names(arrays, str(path))
    plain_arrays = {name: plain(value, f"{path}: {name}") for name, value in arrays.items()}
    for name, array in plain_arrays.items():
        if array.dtype.hasobject:
            raise FileError("holds Python objects", where=f"{path}: {name}", expected="numbers", received=array.dtype)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in plain_arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    atomic.write(path, buffer.getvalue())


def check_names(names: Iterable[str], where: str) -> None:
    """Refuse names that could not be read back, or that could be paths when the archive is unpacked.

    Raises
    ------
    FileError
        For an empty name, one with a path separator, one that ends in ``.npy``, which ``numpy.load`` removes, and for a
        duplicate name.
    """
    seen: set[str] = set()
    for name in names:
        problem = None
        if not isinstance(name, str) or not name or name in (".", "..") or set(name) & set("/\\:\0"):
            problem = "not a name for an array in an npz file"
        elif name.endswith(".npy"):
            problem = "a name that ends in '.npy', which would be removed when the file is read"
        elif name in seen:
            problem = f"two arrays would be named {name!r}"
        if problem:
            raise FileError(problem, where=where, expected="a unique plain name for each array", received=repr(name))
        seen.add(name)
