"""Write a folder completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from graphnet.core.errors import FileError
from graphnet.io import filesystem
from graphnet.io.draft import Draft, used


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
    draft = Draft(target, keep=True)
    try:
        for name, text in files.items():
            filesystem.make_folders((draft.path / name).parent)
            draft.write(name, [text.encode("utf-8")])
        draft.commit()
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        draft.discard()


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
        entries = used(target) or ([] if os.path.isdir(target) or not os.path.lexists(target) else ["a file"])
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
