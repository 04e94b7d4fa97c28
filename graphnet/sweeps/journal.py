"""The journal of a sweep: one JSON object a line, appended and synced, so that a kill loses at most the last line."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError
from graphnet.core.files.border import described
from graphnet.core.files.source import read_bytes
from graphnet.io import filesystem

JOURNAL = "study.jsonl"
#: Bytes of the longest journal.
MOST = 2**30


class Journal:
    """The lines of a journal file; the format is that of Optuna's ``JournalFileBackend``, which can read it too.

    Whoever writes holds the lock of the folder. What a killed process has left of a last line is cut off.

    Parameters
    ----------
    path : Path
        Exists.
    readonly : bool
        Whether the file stays as it is.

    Raises
    ------
    FileError
        If it cannot be read, or a line before the last one is damaged.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        data = read_bytes(path, "the journal of a sweep", MOST)
        self._lines, whole = _parsed(data, path)
        self._size = whole
        if not readonly and whole < len(data):
            self._write(b"")

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The lines from a number on, as Optuna asks for them."""
        return self._lines[log_number_from:]

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Append lines, and wait until they are on the disk; after an error the file is as it was.

        Raises
        ------
        FileError
            If that is not possible.
        """
        texts = [json.dumps(log, separators=(",", ":")) for log in logs]
        data = "".join(f"{text}\n" for text in texts).encode()
        self._write(data)
        self._size += len(data)
        self._lines += [json.loads(text) for text in texts]

    def _write(self, data: bytes) -> None:
        system = filesystem.current()
        try:
            handle = filesystem.uninterrupted(lambda: system.open(self.path, os.O_WRONLY | os.O_APPEND))
            try:
                if os.fstat(handle).st_size != self._size:
                    system.truncate(handle, self._size)
                try:
                    filesystem.write_all(handle, [data] if data else [])
                    filesystem.uninterrupted(lambda: system.sync(handle))
                except OSError:
                    with contextlib.suppress(OSError):
                        system.truncate(handle, self._size)
                    raise
            finally:
                filesystem.close(handle)
        except OSError as error:
            raise FileError("cannot be written", where=str(self.path), received=described(error)) from error


def _parsed(data: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """The whole lines, and their bytes; a last line that a kill or a loss of power has damaged does not count."""
    lines: list[dict[str, Any]] = []
    whole = 0
    parts = data.split(b"\n")
    for number, part in enumerate(parts[:-1]):
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            if number < len(parts) - 2:
                raise FileError("the journal is damaged", where=f"{path}:{number + 1}", expected="a JSON object")
            break
        lines.append(value)
        whole += len(part) + 1
    return lines, whole
