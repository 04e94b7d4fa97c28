"""Compiled objects on disk, in a private folder.

Objects are code: the folder has mode 0700 and belongs to this user, as does every file that is read, and the content of
a file must match the hash and the name that it begins with. A file is written whole under another name and renamed, so
several processes can share the folder. A failure costs the cache, never a result.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

#: Names the folder; the objects are in its subfolder ``native``.
VARIABLE = "GRAPHNET_CACHE"
MAGIC = b"graphnet native objects 1\n"
#: Bytes of all files, beyond which the ones that were not read for the longest time are removed.
LIMIT = 256 << 20
#: What is left when files are removed, as a part of the limit.
KEPT = 0.75
#: A file larger than this is none of ours.
LARGEST = 64 << 20
#: Seconds after which a file that was never renamed is an interrupted process's.
ABANDONED = 3600

#: Why nothing is read or written, set by the last attempt; "" while all is well.
problem = ""


def place() -> Path:
    """Where the folder is, or would be.

    Raises
    ------
    RuntimeError
        If this user has no home.
    """
    named = os.environ.get(VARIABLE)
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphnet"
    return base / "native"


def folder() -> Path | None:
    """The folder, made if need be; None if there is none that only this user can write to."""
    try:
        path = place()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except (OSError, RuntimeError) as error:
        _report(f"{type(error).__name__}: {error}")
        return None
    if not _ours(found):
        _report(f"{path} belongs to another user, or others can write to it")
        return None
    return path


def _ours(found: os.stat_result) -> bool:
    """Whether nobody else can have written this."""
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def _report(text: str) -> None:
    global problem
    problem = text


@cache
def source_digest() -> str:
    """A hash of this distribution's source: objects of another version are not read."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def key_of(*parts: str | bytes) -> str:
    """A hash of some parts, each with its length, so that no two lists of parts have one hash."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(struct.pack("<q", len(data)))
        digest.update(data)
    return digest.hexdigest()


def read(key: str) -> list[bytes] | None:
    """The objects that were kept under a key; None if there are none, or the file is damaged or somebody else's."""
    path = folder()
    if path is None:
        return None
    try:
        with open(path / f"{key}.gno", "rb") as file:
            found = os.fstat(file.fileno())
            if not (stat.S_ISREG(found.st_mode) and _ours(found) and found.st_size <= LARGEST):
                return None
            data = file.read()
    except OSError:
        return None
    with suppress(OSError):
        os.utime(path / f"{key}.gno")  # for the order of removal
    return _unpacked(key, data)


def write(key: str, objects: Sequence[bytes]) -> None:
    """Keep objects under a key; a full or read-only disk costs the cache and nothing else."""
    path = folder()
    if path is None:
        return
    beside = path / f"{key}.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(_packed(key, objects))
            os.replace(beside, path / f"{key}.gno")
        except BaseException:  # an interrupt, too, leaves nothing behind
            beside.unlink(missing_ok=True)
            raise
        prune(path)
    except OSError as error:
        _report(f"{type(error).__name__}: {error}")


def _packed(key: str, objects: Sequence[bytes]) -> bytes:
    body = b"".join(struct.pack("<q", len(each)) + each for each in objects)
    head = key.encode() + struct.pack("<q", len(objects))
    return MAGIC + hashlib.sha256(head + body).digest() + head + body


def _unpacked(key: str, data: bytes) -> list[bytes] | None:
    start = len(MAGIC) + 32
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(data[start:]).digest() != data[len(MAGIC) : start]:
        return None
    name = key.encode()
    if data[start : start + len(name)] != name:
        return None
    at = start + len(name)
    (count,) = struct.unpack_from("<q", data, at)
    objects, at = [], at + 8
    for _ in range(count):
        (size,) = struct.unpack_from("<q", data, at)
        objects.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return objects


def files(path: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """Every file of the folder with what the system knows of it; files that vanish meanwhile are left out."""
    with os.scandir(path) as entries:
        for entry in entries:
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    yield entry, found


def prune(path: Path, limit: int | None = None) -> None:
    """Remove what interrupted processes left, and the oldest files if there is more than the limit."""
    limit = LIMIT if limit is None else limit
    kept = []
    for entry, found in files(path):
        if entry.name.endswith(".tmp"):
            if time.time() - found.st_mtime > ABANDONED:
                _remove(entry.path)
        elif entry.name.endswith(".gno"):
            kept.append((found.st_mtime, found.st_size, entry.path))
    total = sum(size for _, size, _ in kept)
    if total <= limit:
        return
    for _, size, name in sorted(kept):
        if total <= limit * KEPT:
            return
        _remove(name)
        total -= size


def _remove(name: str) -> None:
    with suppress(OSError):  # another process may have been faster
        os.unlink(name)


def usage() -> tuple[int, int]:
    """The number of files with objects, and their bytes."""
    path = folder()
    if path is None:
        return 0, 0
    try:
        sizes = [found.st_size for entry, found in files(path) if entry.name.endswith(".gno")]
    except OSError:
        return 0, 0
    return len(sizes), sum(sizes)
