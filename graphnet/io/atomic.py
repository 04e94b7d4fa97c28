"""Writing a file atomically."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from graphnet.core.errors import FileError


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to a temporary file beside ``path``, sync it, and rename it: a reader never sees a partial file.

    A symbolic link is followed: its target is replaced.

    Raises
    ------
    FileError
        If the folder does not exist or is not writable; a file at ``path`` is then unchanged.
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
            os.unlink(temporary)  # exists only after an error


def _write_new(path: Path, data: bytes) -> None:
    """Write and sync a file that must not exist, with the default permissions."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Sync a renaming; not every system supports it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
