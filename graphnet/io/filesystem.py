"""The operations on files and folders under everything that graphnet writes, and the one object through which they go.

A program that loses power, or a disk that is full, can stop between any two of them. So they are few, each is one call
of the operating system, and tests replace the object that makes the calls, to stop, fail or forget at every one; see
``tests/crash``. No other module of graphnet writes, renames or removes files; ``tests/test_architecture.py`` checks it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
StrPath = str | os.PathLike[str]
#: What can be written.
Bytes = bytes | bytearray | memoryview
#: Bytes of the longest piece that one call writes: Linux writes at most 2 GiB, Windows less to some devices.
PIECE = 2**26
#: How many times an interrupted call is repeated; a signal interrupts it once.
REPEATS = 100
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_WINDOWS = os.name == "nt"


class FileSystem:
    """The operations, as the operating system offers them; every method makes one call and raises its OSError."""

    def create(self, path: StrPath, mode: int = 0o666) -> int:
        """Open a file that must not exist for reading and writing; returns a descriptor that is not inherited."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, mode)

    def open(self, path: StrPath, flags: int = os.O_WRONLY) -> int:
        """Open a file that exists."""
        return os.open(path, flags | _FLAGS)

    def write(self, handle: int, data: Bytes) -> int:
        """Write at the present position; returns the number of bytes that were written, which may be fewer."""
        return os.write(handle, data)

    def truncate(self, handle: int, size: int) -> None:
        """Cut an open file."""
        os.ftruncate(handle, size)

    def permit(self, handle: int, status: os.stat_result) -> None:
        """Give an open file the mode of another one, and its owner as far as the process may; nothing on Windows."""
        if hasattr(os, "fchown"):
            with contextlib.suppress(OSError):
                os.fchown(handle, status.st_uid, status.st_gid)
            with contextlib.suppress(OSError):
                os.fchmod(handle, stat.S_IMODE(status.st_mode))

    def permit_folder(self, path: StrPath, mode: int) -> None:
        """Set the mode of a folder."""
        os.chmod(path, mode)

    def sync(self, handle: int) -> None:
        """Wait until the data of a file are on the disk; on macOS also until the disk has emptied its cache."""
        if sys.platform == "darwin":
            import fcntl

            with contextlib.suppress(OSError):  # a file system without it, such as one on a network
                fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
                return
        os.fsync(handle)

    def close(self, handle: int) -> None:
        """Close a descriptor."""
        os.close(handle)

    def rename(self, source: StrPath, target: StrPath) -> None:
        """Rename a file, replacing ``target``; or a folder, replacing an empty one (not on Windows)."""
        os.replace(source, target)

    def exchange(self, one: StrPath, other: StrPath) -> None:
        """Exchange two files or folders in one step; an OSError where the system, or this file system, cannot."""
        _exchange(os.fsencode(one), os.fsencode(other))

    def mkdir(self, path: StrPath, mode: int = 0o777) -> None:
        """Create a folder that must not exist."""
        os.mkdir(path, mode)

    def unlink(self, path: StrPath) -> None:
        """Remove a file."""
        os.unlink(path)

    def rmdir(self, path: StrPath) -> None:
        """Remove an empty folder."""
        os.rmdir(path)

    def sync_folder(self, path: StrPath) -> None:
        """Wait until the names in a folder are on the disk: what was created, renamed and removed. Not on Windows."""
        if _WINDOWS:
            return
        handle = os.open(path, os.O_RDONLY | _FLAGS)
        try:
            self.sync(handle)
        finally:
            os.close(handle)

    def lock(self, handle: int, *, shared: bool = False) -> bool:
        """Lock an open file until it is closed or the process ends; False if another one has locked it."""
        if _WINDOWS:
            return _lock_windows(handle)
        import fcntl

        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _lock_windows(handle: int) -> bool:
    """Lock one byte far beyond the end of the file, so that others can read what is in it."""
    import msvcrt

    position = os.lseek(handle, 0, os.SEEK_CUR)
    try:
        os.lseek(handle, 2**30, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    finally:
        os.lseek(handle, position, os.SEEK_SET)
    return True


def _exchange(one: bytes, other: bytes) -> None:
    """``renameat2`` on Linux, ``renamex_np`` on macOS."""
    import ctypes
    import errno

    library: Any = None if _WINDOWS else ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        failed = library.renameat2(here, one, here, other, flag)
    elif hasattr(library, "renamex_np"):
        failed = library.renamex_np(one, other, 2)  # RENAME_SWAP
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(other))


_current = FileSystem()


def current() -> FileSystem:
    """The object that makes the calls now."""
    return _current


@contextlib.contextmanager
def using(system: FileSystem) -> Iterator[FileSystem]:
    """Let another object make the calls inside the block, in all threads; for tests."""
    global _current
    before, _current = _current, system
    try:
        yield system
    finally:
        _current = before


def uninterrupted(call: Callable[[], T]) -> T:
    """Repeat a call that a signal interrupts before it has done anything."""
    for _ in range(REPEATS):
        try:
            return call()
        except InterruptedError:
            continue
    return call()


# ---------------------------------------------------------------------- what is made of the operations
def write_all(handle: int, parts: Iterable[Bytes]) -> None:
    """Write all bytes, in as many calls as that takes."""
    system = current()
    for part in parts:
        rest = memoryview(part).cast("B")
        while rest:
            piece = rest[:PIECE]
            written = uninterrupted(lambda piece=piece: system.write(handle, piece))  # type: ignore[misc]
            if written <= 0:
                raise OSError(28, os.strerror(28))  # ENOSPC: a device that takes nothing would be asked for ever
            rest = rest[written:]


def write_private(path: str, contents: bytes) -> None:
    """Create a file that only its owner may read, with these contents; as :func:`write_new`."""
    write_new(path, [contents], mode=0o600)


def write_new(path: StrPath, parts: Iterable[Bytes], like: os.stat_result | None = None, *, mode: int = 0o666) -> None:
    """Create a file with these contents, and sync it; after an error there is none. Its folder is not synced.

    Parameters
    ----------
    path : path
        Must not exist.
    parts : iterable of bytes, arrays, …
        Written one after the other.
    like : os.stat_result, optional
        The file whose owner and mode it gets, before there are any data that somebody else could read.
    mode : int
        The mode of the new file, less the process's umask.
    """
    system = current()
    handle = uninterrupted(lambda: system.create(path, mode))
    try:
        try:
            if like is not None:
                system.permit(handle, like)
            write_all(handle, parts)
            uninterrupted(lambda: system.sync(handle))
        finally:
            close(handle)
    except BaseException:  # an interrupt, too, leaves nothing behind
        with contextlib.suppress(OSError):
            system.unlink(path)
        raise


def close(handle: int) -> None:
    """Close a descriptor; an interrupted call has closed it, so it is not repeated."""
    with contextlib.suppress(InterruptedError):
        current().close(handle)


def rename(source: StrPath, target: StrPath) -> None:
    """Rename, and wait until that is on the disk."""
    uninterrupted(lambda: current().rename(source, target))
    sync_folder(Path(target).parent)


def sync_folder(path: StrPath) -> None:
    """Sync a folder, on every system that can."""
    try:
        uninterrupted(lambda: current().sync_folder(path))
    except OSError as error:
        if not _cannot_sync(error):
            raise


def _cannot_sync(error: OSError) -> bool:
    """Whether an error says that folders cannot be synced there, or not by this user, not that syncing has failed."""
    import errno

    names = ("EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EBADF", "EACCES", "EPERM", "EISDIR")
    return error.errno in {getattr(errno, name) for name in names if hasattr(errno, name)}


def make_folders(path: Path, mode: int = 0o777) -> None:
    """Create the missing folders of a path, from the top, each synced in the one above it."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        if path.parent == path:
            break
        path = path.parent
    for folder in reversed(missing):
        try:
            uninterrupted(lambda folder=folder: current().mkdir(folder, mode))  # type: ignore[misc]
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
        sync_folder(folder.parent)


def remove_tree(path: Path) -> None:
    """Remove a folder of graphnet's and all that is in it; a link is removed, not followed."""
    system = current()
    for entry in list(os.scandir(path)):
        if entry.is_dir(follow_symlinks=False):
            remove_tree(Path(entry.path))
        else:
            uninterrupted(lambda entry=entry: system.unlink(entry.path))  # type: ignore[misc]
    uninterrupted(lambda: system.rmdir(path))
