"""A folder that appears with everything in it: it is written beside its place and renamed."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from graphnet.core.errors import FileError
from graphnet.core.files.border import described
from graphnet.io import filesystem, leftovers
from graphnet.io.lock import LOCK, FolderLock, busy, is_locked

#: What the system says if the target of a renamed folder is not empty, or a file.
TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
#: The name of a draft in its place.
DRAFT = "draft"
#: Entries of runs, models and sweeps that are moved first, and those whose presence shows that all others are there.
FIRST = ("base.yaml", "history.json", "manifest.json", "metrics.jsonl", "model.yaml", "state.safetensors",
         "study.jsonl", "sweep.yaml", "versions.json")  # fmt: skip
LAST = frozenset({"checkpoints", "sweep.json", "weights.safetensors"})


class Draft:
    """A folder under construction.

    Usually it is written beside its place, under a temporary name, and ``commit`` is one rename. Where that cannot be
    (the place exists and is a mount point, or the folder above it is not writable; on Windows if it is to be locked,
    since a folder with an open file cannot be renamed there), it is written in a temporary folder in its place, and
    ``commit`` moves its entries one by one, ``LAST`` last, which readers take as the sign that all are there.

    Parameters
    ----------
    target : path
        Missing, or an empty folder; a symbolic link is followed. Missing folders above it are created.
    locked : bool
        Whether the folder has a lock file, which is locked before it appears.
    keep : bool
        Whether a folder that exists is filled in its place in any case, not replaced.
    replace : bool
        Whether ``commit`` replaces what is at ``target``; the caller knows that it may.

    Attributes
    ----------
    path : Path
        Where to write.
    lock : FolderLock or None

    Raises
    ------
    FileError
        If there is something at ``target``, or it cannot be written there.
    """

    def __init__(self, target: Path, *, locked: bool = False, keep: bool = False, replace: bool = False) -> None:
        self.target = Path(os.path.realpath(target))
        self.lock: FolderLock | None = None
        self.path = self.target
        self.replaces = replace and os.path.lexists(self.target)
        if not self.replaces:
            refuse_used(target)
        try:
            filesystem.make_folders(self.target.parent)
            self.in_place = _must_be_in_place(self.target, locked, keep)
            if self.in_place and self.replaces:
                raise _not_replaceable(target)
            self._create(locked)
        except OSError as error:
            raise unusable(target, error) from error

    def _create(self, locked: bool) -> None:
        if self.in_place:
            filesystem.make_folders(self.target)
            self.lock = FolderLock(self.target) if locked else None
            clear(self.target)
            path = leftovers.temporary(self.target / DRAFT)
        else:
            path = leftovers.temporary(self.target)
        filesystem.uninterrupted(lambda: filesystem.current().mkdir(path))
        self.path = path
        try:
            if not self.in_place:
                if os.path.isdir(self.target):
                    filesystem.current().permit_folder(path, stat.S_IMODE(os.stat(self.target).st_mode))
                self.lock = FolderLock(path) if locked else None
        except BaseException:
            self.discard()
            raise

    def write(self, name: str, parts: Iterable[filesystem.Bytes]) -> None:
        """Write and sync a file.

        Raises
        ------
        FileError
            If that is not possible.
        """
        try:
            filesystem.write_new(self.path / name, parts)
        except OSError as error:
            raise FileError("cannot be written", where=str(self.target / name), received=described(error)) from error

    def commit(self, target: Path | None = None) -> None:
        """Let the folder appear, with everything in it on the disk.

        Parameters
        ----------
        target : path, optional
            Another place beside the first one.

        Raises
        ------
        FileExistsError
            If somebody else has put something there meanwhile.
        OSError
            If the system refuses.
        """
        if target is not None:
            self.target = Path(os.path.realpath(target.parent)) / target.name
        filesystem.sync_folder(self.path)
        if self.in_place:
            self._move()
        elif self.replaces:
            self._replace()
        else:
            self._rename()
        if self.lock is not None:
            self.lock.moved(self.target)
        self.path = self.target

    def _rename(self) -> None:
        try:
            if os.path.isdir(self.target):
                clear(self.target)
                if os.name == "nt":
                    filesystem.current().rmdir(self.target)
            filesystem.uninterrupted(lambda: filesystem.current().rename(self.path, self.target))
        except OSError as error:
            if error.errno in TAKEN:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
            raise
        filesystem.sync_folder(self.target.parent)

    def _replace(self) -> None:
        """Put the folder in the place of the one that is there, by one exchange where the system can do that.

        Elsewhere the old folder is renamed first, to a name beside its place. After a failure it is back.
        """
        system = filesystem.current()
        try:
            filesystem.uninterrupted(lambda: system.exchange(self.path, self.target))
            old = self.path
            undo = [(self.path, self.target)]
        except OSError:
            old = _unused(self.target)
            filesystem.uninterrupted(lambda: system.rename(self.target, old))
            undo = [(self.target, self.path), (old, self.target)]
            try:
                filesystem.uninterrupted(lambda: system.rename(self.path, self.target))
            except OSError:
                filesystem.uninterrupted(lambda: system.rename(old, self.target))
                raise
        try:
            filesystem.sync_folder(self.target.parent)
        except OSError:
            for source, target in undo:
                back = system.exchange if len(undo) == 1 else system.rename
                filesystem.uninterrupted(lambda s=source, t=target, back=back: back(s, t))  # type: ignore[misc]
            raise
        with contextlib.suppress(OSError):
            remove(old)

    def _move(self) -> None:
        system = filesystem.current()
        moved: list[str] = []
        try:
            for name in sorted(os.listdir(self.path), key=lambda name: (name in LAST, name)):
                if name in LAST:
                    filesystem.sync_folder(self.target)
                filesystem.uninterrupted(lambda name=name: system.rename(self.path / name, self.target / name))  # type: ignore[misc]
                moved.append(name)
        except BaseException:
            for name in reversed(moved):
                with contextlib.suppress(OSError):
                    system.rename(self.target / name, self.path / name)
            raise
        filesystem.sync_folder(self.target)
        with contextlib.suppress(OSError):
            system.rmdir(self.path)

    def discard(self) -> None:
        """Remove what was written, unless it has been committed."""
        if self.lock is not None:
            self.lock.release()
        if self.path != self.target and os.path.isdir(self.path):
            with contextlib.suppress(OSError):
                filesystem.remove_tree(self.path)


def _unused(path: Path) -> Path:
    """A name beside a path for what was there; not a temporary one, which ``graphnet clean`` would remove."""
    names = (path.with_name(f"{path.name}.before{number or ''}") for number in itertools.count())
    return next(name for name in names if not os.path.lexists(name))


def _not_replaceable(path: Path) -> FileError:
    return FileError(
        "the folder cannot be replaced as a whole",
        where=str(path),
        expected="a folder that is neither mounted nor the working directory, in one that can be written",
        remedy="Name another folder.",
    )


def _must_be_in_place(target: Path, locked: bool, keep: bool) -> bool:
    windows = os.name == "nt" and locked
    if not os.path.isdir(target):
        return windows
    here = os.path.samefile(target, os.curdir)  # whoever is in it would be in a folder without a name
    return windows or keep or here or os.path.ismount(target) or not os.access(target.parent, os.W_OK)


def used(path: Path) -> list[str]:
    """What is in a folder, without what a killed process has left there; none if there is no folder."""
    if not os.path.isdir(path):
        return []
    names = os.listdir(path)
    left = {LOCK, *filter(leftovers.is_temporary, names), *_half_moved(names)}
    return sorted(set(names) - left)


def _half_moved(names: Iterable[str]) -> set[str]:
    """The entries that ``commit`` had moved when the process was killed: the last ones are still missing."""
    whole = not LAST.isdisjoint(names)
    drafted = any(name.startswith(f".{DRAFT}.") and leftovers.is_temporary(name) for name in names)
    return set() if whole or not drafted else {name for name in names if name in FIRST}


def clear(path: Path) -> None:
    """Remove what a killed process has left in a folder that is empty otherwise."""
    half_moved = _half_moved(os.listdir(path))
    for left in leftovers.temporaries(path):
        if leftovers.abandoned(left):
            remove(left)
    for name in half_moved:
        remove(path / name)
    if os.path.lexists(path / LOCK) and not is_locked(path):
        filesystem.current().unlink(path / LOCK)


def remove(path: Path) -> None:
    """Remove a file or a folder of graphnet's."""
    if os.path.isdir(path) and not os.path.islink(path):
        filesystem.remove_tree(path)
    else:
        filesystem.uninterrupted(lambda: filesystem.current().unlink(path))


def refuse_used(path: Path) -> None:
    """Raise a FileError if a path is a file, or a folder that is not empty, or that another process is writing to."""
    try:
        exists, names = os.path.lexists(path), used(path)
        locked = os.path.isdir(path) and is_locked(path)
    except (OSError, ValueError) as error:  # a name that is too long, a null character
        raise unusable(path, error) from error
    if locked:
        raise busy(path)
    if names or (exists and not os.path.isdir(path)):
        resumable = "checkpoints" in names
        raise FileError(
            "a run is never overwritten",
            where=str(path),
            expected="a folder that is missing or empty",
            received=_received(path, names),
            remedy=f"Go on with that run (graphnet train --resume {path}), or name another folder."
            if resumable
            else "Name another folder.",
        )


def _received(path: Path, names: list[str]) -> str:
    if not os.path.isdir(path):
        return "a file"
    return "a folder with a run" if "checkpoints" in names else "a folder that is not empty"


def unusable(path: Path, error: Exception) -> FileError:
    """The error for a folder that cannot be created."""
    return FileError(
        "the folder cannot be created", where=str(path), received=described(error), remedy="Name another folder."
    )
