"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from graphnet.core.errors import FileError


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to a temporary name beside ``path``, sync it, and rename it: a reader never sees half a file.

    A link is followed: what it points to is replaced.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written; what was at ``path`` is as it was.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        _write_new(temporary, data)
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise FileError("cannot be written", where=str(path), received=error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # still there only if something went wrong


def _write_new(path: Path, data: bytes) -> None:
    """Write and sync a file that must not exist yet, with the permissions that new files have."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename last; not every system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
