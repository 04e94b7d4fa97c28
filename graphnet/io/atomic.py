"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from graphnet.core.errors import FileError


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to a temporary name beside ``path``, sync it, and rename it: a reader never sees half a file.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written; what was at ``path`` is as it was.
    """
    target = Path(path)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise FileError("cannot be written", where=str(target), received=error.strerror or str(error)) from error


def _umask() -> int:
    """The process's mask for new files, which mkstemp does not use."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
