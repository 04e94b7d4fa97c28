"""Writing a folder whole or not at all."""

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

    They are written into a temporary folder beside it, which then gets its name; a link is followed.

    Raises
    ------
    FileError
        If there is something already, or the folder cannot be written; all is as it was.
    """
    target = Path(os.path.realpath(folder))
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        require_empty(target, str(folder))
        _write_all(temporary, files)
        _place(temporary, target)
    except OSError as error:
        raise FileError(
            "cannot be written",
            where=str(folder),
            expected="a folder that files can be written to",
            received=error.strerror or str(error),
            remedy="Choose another one with --output.",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # still there only if something went wrong


def require_empty(target: Path, told: str) -> None:
    """Refuse a place where something is, or whose parent is no folder."""
    if not target.parent.is_dir():
        parent = str(target.parent)
        raise FileError("no folder to write to", where=told, expected=f"a folder {parent}", remedy="Make it first.")
    if not os.path.lexists(target):
        return
    received = f"a folder with {next(target.iterdir(), target).name} in it" if target.is_dir() else "a file"
    if not target.is_dir() or any(target.iterdir()):
        raise FileError(
            "is already there",
            where=told,
            expected="a new folder, or an empty one",
            received=received,
            remedy="Choose another one with --output.",
        )


def _write_all(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _place(temporary: Path, target: Path) -> None:
    """Give the temporary folder its name; an empty folder that is there stays the folder it is, and is filled."""
    if not target.exists():
        os.rename(temporary, target)
        return
    moved: list[Path] = []
    try:
        for each in sorted(temporary.iterdir()):
            os.rename(each, target / each.name)
            moved.append(target / each.name)
        temporary.rmdir()
    except BaseException:
        for path in moved:
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
