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

    They are written under a temporary name first, and renamed when all are there; a link is followed.

    Raises
    ------
    FileError
        If there is something already, or the folder cannot be written; all is as it was.
    """
    target = Path(os.path.realpath(folder))
    _require_empty(target, str(folder))
    beside = target if target.exists() else target.parent
    temporary = beside / f".{target.name[:100]}.{secrets.token_hex(8)}.part"
    try:
        _write_all(temporary, files)
        _place(temporary, target)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # still there only if something went wrong


def _unwritable(folder: str | os.PathLike[str], error: OSError) -> FileError:
    return FileError(
        "cannot be written",
        where=str(folder),
        expected="a folder that files can be written to",
        received=error.strerror or str(error),
        remedy="Choose another one with --output.",
    )


def _require_empty(target: Path, told: str) -> None:
    """Refuse a place where something is, or that is in no folder."""
    if not target.parent.is_dir():
        raise FileError(
            "no folder to write to",
            where=told,
            expected=f"a folder {target.parent}",
            received="none",
            remedy="Make it first, or choose another one with --output.",
        )
    try:
        inside = sorted(os.listdir(target)) if os.path.lexists(target) else []
    except NotADirectoryError:
        inside = ["a file"]
    except OSError as error:
        raise _unwritable(told, error) from error
    if inside:
        raise FileError(
            "is already there",
            where=told,
            expected="a new folder, or an empty one",
            received=f"a folder with {inside[0]} in it" if target.is_dir() else inside[0],
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
