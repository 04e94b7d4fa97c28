"""One writer a folder: a lock of the operating system on a file in it, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import secrets
import socket
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError
from graphnet.core.files.border import described
from graphnet.io import filesystem

LOCK = ".lock"
#: Seconds for which a lock is tried: somebody who only looks whether a run is going on holds it for a moment.
PATIENCE = 0.5
#: Bytes of the longest description of a holder.
MOST = 4096

_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: process, host, and since when."""

    pid: int
    host: str
    since: str
    token: str

    @classmethod
    def this_process(cls) -> Holder:
        """This process, now."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, secrets.token_hex(16))

    @classmethod
    def read(cls, folder: Path) -> Holder | None:
        """Who holds, or held, the lock of a folder; None if its file does not say so."""
        try:
            with open(folder / LOCK, "rb") as file:
                value = json.loads(file.read(MOST))
            return cls(int(value["pid"]), str(value["host"]), str(value["since"]), str(value["token"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def encoded(self) -> bytes:
        """As one line of JSON."""
        return (json.dumps(vars(self)) + "\n").encode()

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class FolderLock:
    """The lock of a folder, held until ``release`` or the end of the process.

    A forked child closes its copy, and holds nothing; a program that is started instead never gets it. ``check`` says
    whether it is still this folder's: a process that was stopped for a day may wake up where its folder was removed and
    another run has taken the place.

    Parameters
    ----------
    folder : path
        Exists.

    Raises
    ------
    FileError
        If another process, or another run of this one, holds it; the message names it. If it cannot be locked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handle: int | None = None
        try:
            self._handle = self._acquired()
            self.holder = Holder.this_process()
            filesystem.current().truncate(self._handle, 0)
            filesystem.write_all(self._handle, [self.holder.encoded()])
            self._file, self._place = _identity(os.fstat(self._handle)), _identity(os.stat(folder))
        except OSError as error:
            self.release()
            raise FileError("the folder cannot be locked", where=str(folder), received=described(error)) from error
        except BaseException:
            self.release()
            raise
        _held.add(self)

    def _acquired(self) -> int:
        """An open, locked lock file that is the folder's."""
        end = time.monotonic() + PATIENCE
        while True:
            handle = _opened(self.folder / LOCK)
            try:
                locked = filesystem.uninterrupted(lambda: filesystem.current().lock(handle))  # noqa: B023
                if locked and _is_at(handle, self.folder / LOCK):
                    return handle
            except BaseException:
                filesystem.close(handle)
                raise
            filesystem.close(handle)
            if not locked and time.monotonic() >= end:
                raise busy(self.folder)
            time.sleep(0.02)

    def moved(self, folder: Path) -> None:
        """The folder has been renamed by its holder."""
        self.folder = folder

    def check(self) -> None:
        """Refuse to go on unless this process still holds the lock of the folder that is in this place.

        Raises
        ------
        FileError
            If the folder or its lock file has been removed or replaced, or this is a forked child.
        """
        problem = None
        if self._handle is None or self.holder.pid != os.getpid():
            problem = "this process does not hold its lock"
        else:
            try:
                if _identity(os.stat(self.folder)) != self._place or not _is_at(self._handle, self.folder / LOCK):
                    problem = "it was replaced by another folder"
                elif not self._is_in_file():
                    problem = f"it was taken over by {Holder.read(self.folder)}"
            except OSError as error:
                problem = described(error)
        if problem:
            raise FileError(
                "the folder of the run is not this run's any more", where=str(self.folder), received=problem
            )

    def _is_in_file(self) -> bool:
        """Whether the lock file still says that this is its holder."""
        with open(self.folder / LOCK, "rb", buffering=0) as file:
            return file.read(MOST) == self.holder.encoded()

    def release(self) -> None:
        """Give the lock back; the file stays, since removing it would let two processes lock two files."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                filesystem.close(handle)

    def __del__(self) -> None:
        if "_handle" in vars(self):
            self.forget()

    def forget(self) -> None:
        """Close this process's copy without a call of the file layer: in a forked child."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)


def _opened(path: Path) -> int:
    """The lock file of a folder, open for reading and writing; it is created if it is missing."""
    system = filesystem.current()
    while True:
        try:
            return filesystem.uninterrupted(lambda: system.open(path, os.O_RDWR))
        except FileNotFoundError:
            pass
        try:
            return filesystem.uninterrupted(lambda: system.create(path))
        except FileExistsError:  # another process has created it meanwhile
            continue


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return _identity(os.fstat(handle)) == _identity(os.stat(path))
    except FileNotFoundError:
        return False


def busy(folder: Path) -> FileError:
    """The error that names who holds a folder."""
    return FileError(
        "another training is writing to this folder",
        where=str(folder),
        expected="a folder that no process is writing to",
        received=str(Holder.read(folder) or "a folder that is locked"),
        remedy="Wait for it, or name another folder.",
    )


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a folder now; it is looked at with a shared lock for a moment."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not filesystem.FileSystem().lock(handle, shared=True)
    except OSError:
        return False
    finally:
        os.close(handle)


def forget_all() -> None:
    """Close this process's copies of all locks: what happens in a forked child, and, for tests, when a process ends."""
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_all)


def describe(folder: Path) -> dict[str, Any] | None:
    """The holder of a folder as plain data; None if it is not locked."""
    holder = Holder.read(folder) if is_locked(folder) else None
    return None if holder is None else vars(holder)
