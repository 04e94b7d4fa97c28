"""Write a folder completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from graphnet.core.errors import FileError


def write(folder: str | os.PathLike[str], files: Mapping[str, str]) -> None:
    """Write ``files`` (text by path below ``folder``) into a new folder, or into an empty one.

    They are written under a temporary name and renamed when all are complete. A symbolic link is followed.

    Raises
    ------
    FileError
        If the folder is not empty or cannot be written; nothing has changed then.
    """
    target = Path(os.path.realpath(folder))
    _require_empty(target, str(folder))
    beside = target if os.path.exists(target) else target.parent
    temporary = beside / f".{target.name[:100]}.{secrets.token_hex(8)}.part"
    try:
        _write_all(temporary, files)
        _place(temporary, target)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # exists only after a failure


def _unwritable(folder: str | os.PathLike[str], error: OSError) -> FileError:
    return FileError(
        "cannot be written",
        where=str(folder),
        expected="a writable folder",
        received=error.strerror or str(error),
        remedy="Choose another folder with --output.",
    )


def _require_empty(target: Path, folder: str) -> None:
    """Raise FileError if the folder is not empty, or its parent does not exist."""
    if not os.path.isdir(target.parent):
        raise FileError(
            "the parent folder does not exist",
            where=folder,
            expected=f"a folder {target.parent}",
            received="none",
            remedy="Create it, or choose another folder with --output.",
        )
    try:
        entries = sorted(os.listdir(target)) if os.path.lexists(target) else []
    except NotADirectoryError:
        entries = ["a file"]
    except OSError as error:
        raise _unwritable(folder, error) from error
    if entries:
        raise FileError(
            "already exists",
            where=folder,
            expected="a new folder, or an empty one",
            received=f"a folder that contains {entries[0]}" if os.path.isdir(target) else entries[0],
            remedy="Choose another folder with --output.",
        )


def _write_all(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _place(temporary: Path, target: Path) -> None:
    """Rename the temporary folder to the target, or move its files into an empty folder that exists."""
    if not os.path.exists(target):
        os.rename(temporary, target)
        return
    moved: list[Path] = []
    try:
        for path in sorted(temporary.iterdir()):
            os.rename(path, target / path.name)
            moved.append(target / path.name)
        temporary.rmdir()
    except BaseException:
        for path in moved:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if os.path.isdir(path) else path.unlink()
        raise
