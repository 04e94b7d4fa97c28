"""A log as TensorBoard reads it: files of records, each with an event."""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphnet import FileError
from tensorboardX.crc32c import crc32c
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import histogram, scalar

#: What the names of the files contain.
NAME = ".tfevents."


class Log:
    """Writes events to a folder; each is in the file after :meth:`flush`.

    Parameters
    ----------
    folder : Path
        Created if it is missing.
    past : mapping of step to scalars by tag, or None
        None: a new log. Else those of the steps that are done: the log is continued after them. What it has of later
        steps is removed, and what it lacks of these is added.
    ended : bool
        Whether nothing more is to come: a log that has all of it is then left as it is.

    Raises
    ------
    FileError
        If a new log would be in the folder of another one.
    """

    def __init__(self, folder: Path, past: Mapping[int, Mapping[str, float]] | None, *, ended: bool = False) -> None:
        self.folder = folder
        self._writer: Any = None
        found = files(folder)
        if past is None and found:
            raise FileError(
                "the log of another run is here",
                where=str(folder),
                expected="a folder without a log",
                received=found[0].name,
                remedy="Give the run another path: TensorBoard(path).",
            )
        kept = {} if past is None else _kept(found, past)
        if ended and past is not None and len(found) == 1 and _complete(found[0], kept, past):
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}.{time.time_ns()}")
        self._continue(kept, past or {})
        for file in found:  # after the new one is whole; until then steps are twice in the folder, not lost
            with contextlib.suppress(OSError):
                file.unlink()

    def _continue(self, kept: Mapping[tuple[int, str], Any], past: Mapping[int, Mapping[str, float]]) -> None:
        for event in kept.values():
            self._writer.write_event(event)
        for step, values in past.items():
            self.scalars(step, {tag: value for tag, value in values.items() if (step, tag) not in kept})
        self.flush()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers by tag."""
        for tag, value in values.items():
            self._write(step, scalar(tag, float(value)))

    def histograms(self, step: int, arrays: Mapping[str, Any]) -> None:
        """Write the distributions of arrays by tag."""
        for tag, array in arrays.items():
            self._write(step, histogram(tag, array, 30))

    def _write(self, step: int, summary: Any) -> None:
        if self._writer is not None:
            self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))

    def flush(self) -> None:
        """Hand all events to the system."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def files(folder: Path) -> list[Path]:
    """The files of the log in a folder, the oldest first."""
    found = [path for path in folder.glob("*") if NAME in path.name] if folder.is_dir() else []
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def events(path: Path) -> Iterator[Any]:
    """The events of a file, up to the first record that is damaged or was not written whole.

    A record is the length of its data (8 bytes, little endian), a checksum of that, the data, and their checksum.
    """
    data, position = path.read_bytes(), 0
    while len(data) - position >= 16:
        (size,) = struct.unpack_from("<Q", data, position)
        content = data[position + 12 : position + 12 + size]
        end = position + 16 + size
        if end > len(data) or struct.unpack_from("<I", data, end - 4)[0] != _masked(content):
            return
        yield Event.FromString(content)
        position = end


def _masked(data: bytes) -> int:
    checksum = crc32c(data)
    return int(((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _kept(found: list[Path], past: Mapping[int, Any]) -> dict[tuple[int, str], Any]:
    """The events of the steps that are done, each once."""
    kept: dict[tuple[int, str], Any] = {}
    for path in found:
        for event in events(path):
            for value in event.summary.value:
                if event.step in past:
                    kept[event.step, value.tag] = event
    return kept


def _complete(file: Path, kept: Mapping[tuple[int, str], Any], past: Mapping[int, Mapping[str, float]]) -> bool:
    """Whether a file has all that is done and nothing else."""
    there = [(event.step, value.tag) for event in events(file) for value in event.summary.value]
    wanted = {(step, tag) for step, values in past.items() for tag in values}
    return len(there) == len(kept) and set(there) == kept.keys() and wanted <= kept.keys()
