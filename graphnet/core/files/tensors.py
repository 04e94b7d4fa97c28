"""Reading safetensors files; the header is compared with the file before anything is read from it.

Format: 8 bytes with the length of the header (little endian), the header as JSON, then the tensors end to end, without
gaps; https://github.com/huggingface/safetensors, section Format.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import FileError
from graphnet.core.files.arrays import AXES
from graphnet.core.files.border import reading
from graphnet.core.files.kinds import kind
from graphnet.core.files.source import Path, opened, read_bytes

#: Bytes of the longest header that is read.
HEADER_BYTES = 2**24
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
EXPECTED = "a whole safetensors file"
#: The key of the checksum in the metadata, which files that graphnet writes have: SHA-256, see ``digest``.
SHA256 = "sha256"


def read_tensors(path: Path, what: str) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a safetensors file by name, and its metadata.

    Parameters
    ----------
    path : path
    what : str
        What the file should hold, for errors.

    Raises
    ------
    FileError
        If it does not exist, is not a whole safetensors file, or holds a dtype that numpy does not have.
    """
    return parse_tensors(read_bytes(path, what), path, what)


def parse_tensors(data: bytes, path: Path, what: str) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays in the bytes of a safetensors file, and its metadata; ``path`` is for errors.

    Raises
    ------
    FileError
        As ``read_tensors``; also if the metadata have a checksum, and it differs.
    """
    with reading(path, EXPECTED):
        header, metadata, start = _parsed_header(data, len(data), path, what)
        check_digest(path, header, metadata, [memoryview(data)[start:]])
        return {name: _array(data, start, header[name]) for name in header}, metadata


def read_header(path: Path, what: str) -> tuple[dict[str, Any], dict[str, str], int]:
    """The entries of the header, the metadata, and the position of the first tensor; the tensors are not read.

    Raises
    ------
    FileError
        As ``read_tensors``, but for the checksum.
    """
    with opened(path, what) as (file, size), reading(path, EXPECTED):
        first = file.read(8)
        length = int.from_bytes(first, "little")
        return _parsed_header(first + file.read(min(length, HEADER_BYTES)), size, path, what)


def _parsed_header(data: bytes, size: int, path: Path, what: str) -> tuple[dict[str, Any], dict[str, str], int]:
    """The header at the beginning of a file of ``size`` bytes, of which ``data`` are the first."""
    length = int.from_bytes(data[:8], "little")
    if size < 8 or length > min(size - 8, HEADER_BYTES) or data[8:9] != b"{":
        received = _received(data, size)
        raise FileError("not a complete safetensors file", where=str(path), expected=what, received=received)
    header = json.loads(data[8 : 8 + length].decode("utf-8"), object_pairs_hook=_unique)
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "metadata", metadata)
    _check_layout(header, size - 8 - length, path)
    return header, metadata, 8 + length


def check_digest(path: Path, header: Mapping[str, Any], metadata: Mapping[str, str], parts: Iterable[Any]) -> None:
    """Compare the checksum in the metadata, if there is one, with that of the tensors.

    Raises
    ------
    FileError
        If they differ.
    """
    if SHA256 in metadata and metadata[SHA256] != digest(header, parts):
        raise FileError(
            "damaged: the checksum differs",
            where=str(path),
            expected=f"SHA-256 {metadata[SHA256][:64]}",
            received="other contents",
            remedy="Use another copy of the file.",
        )


def digest(entries: Mapping[str, Any], parts: Iterable[Any]) -> str:
    """The checksum of the entries of a header, without the metadata, and of the bytes that follow the header."""
    state = hashlib.sha256(json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    for part in parts:
        state.update(part)
    return state.hexdigest()


def _received(data: bytes, size: int) -> str:
    found = kind(data[:4096])
    return f"{size:,} bytes of one" if found == "a safetensors file" else found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FileError("two entries of the header have one name")
    return result


def _damaged(path: Path, name: str, entry: object) -> FileError:
    return FileError("a damaged header", where=f"{path}: {name[:200]}", expected=EXPECTED, received=repr(entry)[:80])


def _check_layout(header: dict[str, Any], size: int, path: Path) -> None:
    """Check that the tensors have known dtypes, and fill the file without gaps and overlaps."""
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise _damaged(path, name, entry)
        if entry["dtype"] not in DTYPES:
            raise FileError(
                "the dtype is not supported",
                where=f"{path}: {name[:200]}",
                expected="F32 or F64",
                received=str(entry["dtype"])[:20],
                remedy="Convert the arrays to float32 in the program that wrote the file.",
            )
        if not _sizes(entry["shape"], AXES) or not _sizes(entry["data_offsets"], 2) or len(entry["data_offsets"]) != 2:
            raise _damaged(path, name, entry)
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        nbytes = math.prod(entry["shape"]) * np.dtype(DTYPES[entry["dtype"]]).itemsize
        if begin != position or end - begin != nbytes:
            raise _damaged(path, name, entry)
        position = end
    if position != size:
        raise FileError(
            "not a complete safetensors file",
            where=str(path),
            expected=f"{position:,} bytes",
            received=f"{size:,} bytes",
        )


def _sizes(value: object, most: int) -> bool:
    return isinstance(value, list) and len(value) <= most and all(type(n) is int and n >= 0 for n in value)


def _array(data: bytes, start: int, entry: dict[str, Any]) -> Array:
    """A copy of one array, which can be written to."""
    shape = tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, np.dtype(DTYPES[entry["dtype"]]).newbyteorder("="))
    flat = np.frombuffer(data, DTYPES[entry["dtype"]], math.prod(shape), start + entry["data_offsets"][0])
    return flat.reshape(shape).astype(flat.dtype.newbyteorder("="), copy=True)
