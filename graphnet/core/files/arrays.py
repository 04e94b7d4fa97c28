"""Reading ``.npy`` and ``.npz`` files: every declared size is compared with the file before memory is allocated.

Formats: NEP 1 (``.npy``), and zip archives of such files with members that are stored or deflated, which is all that
numpy writes. Python objects are never loaded.
"""

from __future__ import annotations

import ast
import math
import mmap
import re
import zipfile
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import FileError
from graphnet.core.files.border import reading
from graphnet.core.files.source import CHUNK, Path, is_regular, opened, wrong_kind

MAGIC = b"\x93NUMPY"
#: Bytes of the longest header of an array; numpy's own limit.
HEADER_BYTES = 10_000
#: A compressed file may hold this many bytes of arrays, or this many times its size, whichever is more.
FLOOR, EXPANSION = 2**28, 64
#: Deflate cannot compress by more (RFC 1951: at best 258 bytes in 2 bits).
DEFLATE = 1032
#: Axes of an array; numpy's own limit.
AXES = 64
NPZ = "an .npz file, as numpy.savez writes it"
NPY = "an .npy file, as numpy.save writes it"
OBJECTS = "Python objects are never loaded: store sequences end to end, with their lengths."


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an ``.npy`` file declares: the dtype, the shape, the order in memory, and its own length."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    length: int

    @property
    def nbytes(self) -> int:
        """The bytes of the array."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_header(file: IO[bytes], where: str) -> Header:
    """Read the header of an ``.npy`` file.

    Raises
    ------
    FileError
        If it is damaged, or declares Python objects or fields.
    """
    with reading(where, NPY, what="the header of an array"):
        start = file.read(8)
        if start[:6] != MAGIC or len(start) < 8:
            raise wrong_kind(where, NPY, start)
        if start[6] not in (1, 2, 3):
            raise FileError("an unknown version", where=where, expected="1 to 3", received=start[6])
        width = 2 if start[6] == 1 else 4
        length = int.from_bytes(file.read(width), "little")
        text = file.read(min(length, HEADER_BYTES + 1))
        if len(text) != length or length > HEADER_BYTES:
            raise FileError("a damaged header", where=where, expected=f"{length} bytes", received=f"{len(text)} bytes")
        return _parsed(text.decode("utf-8" if start[6] == 3 else "latin1"), 8 + width + length, where)


def _parsed(text: str, length: int, where: str) -> Header:
    """The header from its text: a Python literal ``{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2)}``."""
    fields = ast.literal_eval(re.sub(r"\b(\d+)L\b", r"\1", text.strip()))  # 3L: written by Python 2
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise FileError("a damaged header", where=where, expected="descr, fortran_order and shape", received=text[:80])
    descr, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    if not isinstance(descr, str):
        raise FileError("the array has fields", where=where, expected="an array of numbers", received=str(descr)[:80])
    dtype = np.dtype(descr)
    if dtype.hasobject:
        raise FileError("the array holds Python objects", where=where, expected="numbers or text", remedy=OBJECTS)
    sizes_fit = type(shape) is tuple and len(shape) <= AXES and all(type(n) is int and n >= 0 for n in shape)
    if not sizes_fit or not isinstance(fortran, bool) or dtype.itemsize == 0:
        raise FileError("a damaged header", where=where, expected="the shape of an array", received=text[:80])
    return Header(dtype, shape, "F" if fortran else "C", length)


def read_array(file: IO[bytes], size: int, where: str) -> Array:
    """Read an array from the ``.npy`` file of ``size`` bytes that begins at the present position.

    Raises
    ------
    FileError
        If the header declares another number of bytes than follow; nothing of that size has been allocated then.
    """
    header = read_header(file, where)
    _check_size(header, size, where)
    data = np.empty(header.nbytes, np.uint8)
    view, done = data.data, 0
    while done < header.nbytes:
        part = file.read(min(CHUNK, header.nbytes - done))
        if not part:
            raise FileError("the file ends early", where=where, expected=header.nbytes, received=done)
        view[done : done + len(part)] = part
        done += len(part)
    file.read(1)  # the end, where a zip archive compares the checksum
    return data.view(header.dtype).reshape(header.shape, order=header.order)


def _check_size(header: Header, size: int, where: str) -> None:
    if header.length + header.nbytes != size:
        raise FileError(
            "the size of the array is not that of the file",
            where=where,
            expected=f"{header.nbytes:,} bytes for {header.shape} of {header.dtype}",
            received=f"{size - header.length:,} bytes",
        )


# ---------------------------------------------------------------------- .npy
def map_npy(path: Path) -> Array:
    """The array of an ``.npy`` file, mapped into memory and read-only; from a pipe, read whole.

    Raises
    ------
    FileError
        If it is not a whole ``.npy`` file.
    """
    if not is_regular(path):
        with opened(path, NPY) as (file, size):
            return read_array(file, size, str(path))
    with reading(path, NPY), open(path, "rb") as file:
        header = read_header(file, str(path))
        _check_size(header, file.seek(0, 2), str(path))
        if not header.nbytes:
            return np.empty(header.shape, header.dtype)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.ndarray(header.shape, header.dtype, mapped, header.length, order=header.order)


# ---------------------------------------------------------------------- .npz
def read_npz(path: Path, max_bytes: int | None = None) -> dict[str, Array]:
    """All arrays of an ``.npz`` file by key.

    Parameters
    ----------
    path : path
    max_bytes : int, optional
        The bytes that the arrays of a compressed file may have together; None: 256 MiB, or 64 times the size of the
        file if that is more. An uncompressed file is read whatever its size.

    Raises
    ------
    FileError
        If the file or an array in it cannot be read, or the arrays would need more memory.
    """
    with opened(path, NPZ) as (file, size), reading(path, NPZ):
        start = file.read(4096)
        if not start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            raise wrong_kind(path, NPZ, start, None if start else "Write it again.")
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(members, size, path, max_bytes)
            return {key: _member(archive, info, f"{path}: {key}") for key, info in _keys(members, path).items()}


def _check_members(members: list[zipfile.ZipInfo], size: int, path: Path, max_bytes: int | None) -> None:
    """Refuse members that cannot be what they declare, before any is read."""
    for info in members:
        where = f"{path}: {info.filename[:200]}"
        if info.flag_bits & 0x41:
            raise FileError("the array is encrypted", where=where, expected="arrays that numpy.savez wrote")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            name = zipfile.compressor_names.get(info.compress_type, f"method {info.compress_type}")  # type: ignore[attr-defined]
            raise FileError("an unknown compression", where=where, expected="stored or deflated", received=name)
        factor = 1 if info.compress_type == zipfile.ZIP_STORED else DEFLATE
        if info.file_size > factor * info.compress_size:
            raise FileError(
                "the declared size is not possible",
                where=where,
                expected=f"at most {factor * info.compress_size:,} bytes",
                received=f"{info.file_size:,} bytes",
            )
    if sum(info.compress_size for info in members) > size:
        raise FileError("the archive declares more bytes than it has", where=str(path), received=f"{size:,} bytes")
    total = sum(info.file_size for info in members if info.compress_type != zipfile.ZIP_STORED)
    allowed = max(FLOOR, EXPANSION * size) if max_bytes is None else max_bytes
    if total > allowed:
        raise FileError(
            "the arrays need more memory than is allowed",
            where=str(path),
            expected=f"at most {allowed:,} bytes from a compressed file of {size:,} bytes",
            received=f"{total:,} bytes",
            remedy=f"Write it without compression, or pass max_bytes={total} to graphnet.datasets.npz.",
        )


def _keys(members: list[zipfile.ZipInfo], path: Path) -> dict[str, zipfile.ZipInfo]:
    keys: dict[str, zipfile.ZipInfo] = {}
    for info in members:
        key = info.filename.removesuffix(".npy")
        if key == info.filename:
            raise FileError(
                "not an array", where=f"{path}: {key[:200]}", expected="members NAME.npy, as numpy.savez writes"
            )
        if key in keys:
            raise FileError("two arrays have one name", where=str(path), received=repr(key[:200]))
        keys[key] = info
    return keys


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Array:
    with reading(where, "an array of numbers or text", what="the array"), archive.open(info) as file:
        return read_array(file, info.file_size, where)
