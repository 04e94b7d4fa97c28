"""Opening files and pipes to read, and reading them whole within a limit."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from graphnet.core.errors import FileError
from graphnet.core.files.border import reading
from graphnet.core.files.kinds import kind

#: Standard input, by its names in the file system; ``-`` on the command line is the first of them.
STDIN = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
#: Bytes that are read from a pipe or a device, whose size is not known, unless a caller says otherwise.
PIPE_BYTES = 2**28
CHUNK = 2**20

Path = str | os.PathLike[str]


def is_regular(path: Path) -> bool:
    """Whether a path is a file with a size, unlike a pipe, a device, a folder or nothing."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.fspath(path) not in STDIN
    except (OSError, ValueError):  # ValueError: a null character
        return False


@contextmanager
def opened(path: Path, expected: str, max_bytes: int | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file to read at any position; yields it with its size. A pipe or a device is read whole first.

    Raises
    ------
    FileError
        If it cannot be opened, or a pipe gives more than ``max_bytes`` (default ``PIPE_BYTES``).
    """
    with reading(path, expected), _raw(path) as file:
        status = os.fstat(file.fileno()) if is_regular(path) else None
        if status is not None and stat.S_ISREG(status.st_mode):
            yield file, status.st_size
        else:
            data = _all(file, path, expected, PIPE_BYTES if max_bytes is None else max_bytes)
            yield io.BytesIO(data), len(data)


def read_bytes(path: Path, expected: str, max_bytes: int | None = None) -> bytes:
    """All bytes of a file, a pipe or standard input.

    Raises
    ------
    FileError
        If it cannot be read, or is longer than ``max_bytes`` (default: no limit for a regular file).
    """
    with opened(path, expected, max_bytes) as (file, size), reading(path, expected):
        if max_bytes is not None and size > max_bytes:
            raise _too_long(path, expected, max_bytes, size)
        return file.read(size)


@contextmanager
def _raw(path: Path) -> Iterator[BinaryIO]:
    if os.fspath(path) not in STDIN:
        with open(path, "rb") as file:
            yield file
    elif sys.stdin is None or sys.stdin.closed:
        raise FileError("standard input is closed", where=str(path))
    else:
        yield sys.stdin.buffer  # not closed: it belongs to the process


def _all(file: BinaryIO, path: Path, expected: str, limit: int) -> bytes:
    parts, total = [], 0
    while part := file.read(CHUNK):
        parts.append(part)
        total += len(part)
        if total > limit:
            raise _too_long(path, expected, limit, None)
    return b"".join(parts)


def _too_long(path: Path, expected: str, limit: int, size: int | None) -> FileError:
    return FileError(
        "too long",
        where=str(path),
        expected=f"{expected} of at most {limit:,} bytes",
        received="more" if size is None else f"{size:,} bytes",
    )


def wrong_kind(path: object, expected: str, data: bytes, remedy: str | None = None) -> FileError:
    """The error for a file of another kind than a reader expects; it names the kind, by the first bytes.

    Examples
    --------
    >>> print(wrong_kind("x.npz", "an .npz file", b"a,b\\n1,2\\n"))
    x.npz: cannot be read; expected an .npz file, received a text file of comma-separated values
    """
    return FileError("cannot be read", where=str(path), expected=expected, received=kind(data), remedy=remedy)
