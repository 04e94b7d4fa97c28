"""Writing files: a regular file is replaced as a whole, everything else is written to."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from graphnet.core.errors import FileError
from graphnet.io import filesystem, leftovers

#: Names under which a process finds its own open files; they are written to, not replaced.
OWN_FILES = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")


def write(path: str | os.PathLike[str], data: filesystem.Bytes) -> None:
    """Write ``data`` to a temporary file beside ``path``, sync it, and rename it: a reader never sees a partial file.

    A symbolic link is followed: its target is replaced. The new file has the permissions of the one that it replaces,
    and as far as the process may set them, its owner and group. A pipe, a socket or a device is not replaced: the data
    are written to it; ``-`` is a file of this name.

    Raises
    ------
    FileError
        If the folder does not exist or is not writable, or the file is write-protected; a regular file at ``path`` is
        then unchanged.
    """
    with _failures(path):
        if is_special(path):
            _write_through(path, data)
        else:
            _replace(Path(os.path.realpath(path)), data)


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether a path is written to instead of replaced: a pipe, a device, or an open file of this process."""
    if os.path.abspath(path).startswith(OWN_FILES):
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def refuse_existing(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Check that a file can be written where a user says, before anything is computed.

    Raises
    ------
    FileError
        If it exists and is not special, unless ``force``; if it is a folder, or its folder does not exist.
    """
    target = Path(path)
    if is_special(target):
        return
    if os.path.isdir(target) or not os.path.isdir(target.parent):
        received = "a folder" if os.path.isdir(target) else f"no folder {target.parent}"
        raise FileError("cannot be written", where=str(path), expected="a file in a folder", received=received)
    if os.path.exists(target) and not force:
        raise FileError(
            "the file exists",
            where=str(path),
            expected="a new file",
            remedy="Choose another name, or pass force=True (on the command line: --force).",
        )


@contextlib.contextmanager
def _failures(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system reports into a FileError."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        received = getattr(error, "strerror", None) or str(error)
        raise FileError("cannot be written", where=str(path), received=received) from error


def _write_through(path: str | os.PathLike[str], data: filesystem.Bytes) -> None:
    if os.path.abspath(path) == "/dev/stdout":
        for stream in (sys.stdout, sys.stderr):  # what was printed before comes first
            with contextlib.suppress(Exception):
                stream.flush()
    handle = filesystem.uninterrupted(lambda: filesystem.current().open(path))
    try:
        filesystem.write_all(handle, [data])
    finally:
        filesystem.close(handle)


def _replace(target: Path, data: filesystem.Bytes) -> None:
    temporary = leftovers.temporary(target)
    try:
        if target.is_symlink():
            raise OSError(errno.ELOOP, "too many levels of symbolic links")
        old = os.stat(target) if os.path.isfile(target) else None
        if old is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "write-protected")
        filesystem.write_new(temporary, [data], old)
        filesystem.rename(temporary, target)
    finally:
        if os.path.lexists(temporary):  # only after an error
            with contextlib.suppress(OSError):
                filesystem.current().unlink(temporary)
