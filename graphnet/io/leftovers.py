"""Names of what is written beside its place, and how to know whether its writer still lives.

A name is ``.NAME.OWNER.part``; the owner is the number of the process, a hash of the machine that has numbered it, and
random digits. What a killed process has left is found by its name, hides nothing, and blocks nothing.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

#: Seconds after which what another machine has begun to write counts as left behind.
FOREIGN_SECONDS = 86400.0
_NAME = re.compile(r"\..+\.(?P<pid>[0-9a-f]+)-(?P<machine>[0-9a-f]{8})-[0-9a-f]{8}\.part\Z", re.DOTALL)
_FORMER = re.compile(r"\..+\.[0-9a-f]{16}\.part\Z", re.DOTALL)


def temporary(target: Path) -> Path:
    """A new name beside a path, for what will be renamed to it.

    Examples
    --------
    >>> name = temporary(Path("runs/lstm-001")).name
    >>> name.startswith(".lstm-001."), name.endswith(".part")
    (True, True)
    """
    owner = f"{os.getpid():x}-{_machine()}-{secrets.token_hex(4)}"
    return target.with_name(f".{target.name[:100]}.{owner}.part")


@functools.cache
def _machine() -> str:
    """A hash of what numbers processes: the host, and on Linux the name space, which each container has of its own."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode(errors="replace")).hexdigest()[:8]


def is_temporary(name: str) -> bool:
    """Whether a file name is one that ``temporary`` makes, now or in an earlier version."""
    return bool(_NAME.match(name) or _FORMER.match(name))


def abandoned(path: Path) -> bool:
    """Whether the writer of a temporary file has ended; if that cannot be known, whether the file is a day old."""
    match = _NAME.match(path.name)
    if match and match["machine"] == _machine():
        return not _alive(int(match["pid"], 16))
    try:
        return abs(time.time() - os.lstat(path).st_mtime) > FOREIGN_SECONDS
    except OSError:
        return False


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return pid == os.getpid() or _alive_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def _alive_windows(pid: int) -> bool:
    """Whether a process can be opened: os.kill would end it."""
    import ctypes

    handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)  # type: ignore[attr-defined]
    if handle:
        ctypes.windll.kernel32.CloseHandle(handle)  # type: ignore[attr-defined]
    return bool(handle)


def temporaries(folder: Path) -> Iterator[Path]:
    """The temporary files and folders in a folder; none if it cannot be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if is_temporary(name):
            yield folder / name
