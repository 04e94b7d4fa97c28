"""Arrays as a safetensors file with a checksum, written without a second copy of the arrays.

The format is described in :mod:`graphnet.core.files.tensors`. Entries are in order of width and name, and metadata
in order of name, so equal arrays give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import DtypeError
from graphnet.core.files.tensors import DTYPES, SHA256, digest

#: Bytes of arrays that are copied to one part: a call of the system costs more, also to threads that wait for Python.
JOINED = 2**20
_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def encoded(arrays: Mapping[str, Array], metadata: Mapping[str, str], *, checksum: bool = True) -> list[Any]:
    """The bytes of a file: one part; or if they are many, several, all but the first the memory of the arrays.

    Parameters
    ----------
    arrays : mapping of name to array
        Integers, floats or booleans, of any shape.
    metadata : mapping of str to str
    checksum : bool
        Whether the metadata get a checksum; not needed where a manifest has one of the whole file.

    Raises
    ------
    DtypeError
        For an array of another dtype.

    Examples
    --------
    >>> (whole,) = encoded({"a": np.zeros(2, np.float32)}, {"format": "x"}, checksum=False)
    >>> whole[8:-8]
    b'{"__metadata__":{"format":"x"},"a":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}}    '
    """
    entries, parts, position = {}, [], 0
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))  # wide ones first: all are aligned
    for name in names:
        part = _bytes(name, arrays[name])
        end = position + len(part)
        entries[name] = {"data_offsets": [position, end], "dtype": _dtype(name, arrays[name])}
        entries[name]["shape"] = list(arrays[name].shape)
        parts.append(part)
        position = end
    described = dict(metadata)
    if checksum:
        described[SHA256] = digest(entries, parts)
    header = _json({"__metadata__": described, **entries})
    header += b" " * (-len(header) % 8)
    whole = [len(header).to_bytes(8, "little") + header, *parts]
    return [b"".join(whole)] if position <= JOINED else whole


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _bytes(name: str, array: Array) -> Any:
    """The memory of an array, little endian, as bytes."""
    _dtype(name, array)
    contiguous = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return contiguous.reshape(-1).view(np.uint8).data if contiguous.size else b""


def _dtype(name: str, array: Array) -> str:
    found = _NAMES.get(array.dtype.newbyteorder("<"))
    if found is None:
        expected = "integers, floats or booleans of up to 64 bits"
        raise DtypeError("cannot be written", where=name, expected=expected, received=array.dtype)
    return found
