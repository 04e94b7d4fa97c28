"""One checkpoint as files, and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.core.array_types import Array
from graphnet.core.errors import FileError
from graphnet.core.files.border import reading
from graphnet.core.files.tensors import parse_tensors
from graphnet.io import filesystem, state, weights
from graphnet.io.manifest import CHECKPOINT, MANIFEST, Manifest
from graphnet.io.tensors import encoded
from graphnet.training.snapshot import Snapshot

#: The folder of a run in which its checkpoints are.
CHECKPOINTS = "checkpoints"
VALUES = "training.json"
#: The parts with the weights and the recurrent state of the best epoch, and the current weights.
BEST, STATE, WEIGHTS = "best", "state", "weights"
#: The end of the name of a checkpoint that can be read and not resumed.
END = "-end"
#: The formats of the files, by part.
FORMATS = {WEIGHTS: weights.FORMAT, BEST: weights.FORMAT, STATE: state.FORMAT}
ARRAYS = "graphnet-arrays/1"
_NAME = re.compile(r"(\d{6,})-(\d{9,})(-end)?\Z")


@dataclass(frozen=True, order=True)
class Entry:
    """The place of a checkpoint; a later one is greater.

    Attributes
    ----------
    epoch, step : int
        Completed epochs and updates.
    end : bool
        Whether it was written after an error or an interrupt, and has the weights of the best epoch only.
    path : Path
    """

    epoch: int
    step: int
    end: bool
    path: Path

    @classmethod
    def at(cls, path: Path) -> Entry | None:
        """The entry for a path, by its name; None if it is not the name of a checkpoint."""
        match = _NAME.match(path.name)
        return None if match is None else cls(int(match[1]), int(match[2]), match[3] is not None, path)


def name(epoch: int, step: int, *, end: bool = False) -> str:
    """The name of the folder of a checkpoint.

    Examples
    --------
    >>> name(3, 120)
    '000003-000000120'
    """
    return f"{epoch:06d}-{step:09d}{END if end else ''}"


def entries(run: Path) -> list[Entry]:
    """The checkpoints of a run, newest first; none if there is no such folder."""
    try:
        names = os.listdir(run / CHECKPOINTS)
    except OSError:
        return []
    found = (Entry.at(run / CHECKPOINTS / name) for name in names)
    return sorted((entry for entry in found if entry is not None), reverse=True)


# ---------------------------------------------------------------------- writing
def write(folder: Path, snapshot: Snapshot, facts: Mapping[str, Any], *, resumable: bool = True) -> None:
    """Create a folder with the files of a checkpoint, all on the disk. The folder above it is not synced.

    Raises
    ------
    OSError
        If that is not possible; the folder may then be incomplete.
    DtypeError
        If an array has a dtype that a file cannot have.
    """
    words = {"epoch": str(snapshot.epoch), "step": str(snapshot.step)}
    words |= {"model": facts["model"]} if facts.get("model") else {}
    files: dict[str, list[Any]] = {
        f"{part}.safetensors": encoded(arrays, {"format": FORMATS.get(part, ARRAYS), **words}, checksum=False)
        for part, arrays in snapshot.arrays.items()
    }
    files[VALUES] = [json.dumps(dict(snapshot.values), allow_nan=False, separators=(",", ":")).encode()]
    facts = {"epoch": snapshot.epoch, "step": snapshot.step, "resumable": resumable, **facts}
    manifest = Manifest.of(CHECKPOINT, facts, files)
    filesystem.uninterrupted(lambda: filesystem.current().mkdir(folder))
    for file, parts in {**files, MANIFEST: [manifest.encoded()]}.items():
        filesystem.write_new(folder / file, parts)
    filesystem.sync_folder(folder)


# ---------------------------------------------------------------------- reading
@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read whole and checked; nothing of it is on the disk only."""

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, path: Path, parts: tuple[str, ...] | None = None) -> Checkpoint:
        """Read the files of some parts, or of all with the values; all files are opened before one is read.

        Raises
        ------
        FileNotFoundError
            If a file is missing: it is being removed, or has been.
        FileError
            If a file cannot be read, or is damaged.
        """
        with ExitStack() as stack:
            data = _content(_handle(stack, path / MANIFEST))
            manifest = Manifest.parse(data, path / MANIFEST, CHECKPOINT)
            names = [*manifest.files] if parts is None else [f"{part}.safetensors" for part in parts]
            handles = {name: _handle(stack, path / name) for name in names if name in manifest.files}
            files = {}
            for name, handle in handles.items():
                with reading(path / name, "a file of a checkpoint"):
                    files[name] = _content(handle)
                manifest.check(path / name, files[name])
        return cls(path, manifest, files)

    def arrays(self, part: str) -> dict[str, Array] | None:
        """The arrays of a part; None if the checkpoint does not have it."""
        file = f"{part}.safetensors"
        if file not in self.files:
            return None
        arrays, metadata = parse_tensors(self.files[file], self.path / file, "arrays of a checkpoint")
        expected = FORMATS.get(part, ARRAYS)
        if metadata.get("format") != expected:
            received = repr(metadata.get("format"))[:80]
            raise FileError("another format", where=str(self.path / file), expected=expected, received=received)
        return arrays

    def snapshot(self) -> Snapshot:
        """All of it.

        Raises
        ------
        FileError
            If a file has another format.
        """
        with reading(self.path / VALUES, "the values of a checkpoint"):
            values = json.loads(self.files[VALUES].decode("utf-8"))
        arrays = {part: self.arrays(part) or {} for part in self._parts()}
        return Snapshot(self.manifest.facts["epoch"], self.manifest.facts["step"], arrays, values)

    def _parts(self) -> Iterator[str]:
        for file in self.files:
            if file.endswith(".safetensors"):
                yield file.removesuffix(".safetensors")


def _handle(stack: ExitStack, path: Path) -> int:
    """Open a file to read, until the end of the block; a FileNotFoundError if there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
    except OSError as error:
        raise FileError("cannot be read", where=str(path), received=error.strerror) from error
    stack.callback(os.close, handle)
    return handle


def _content(handle: int) -> bytes:
    with open(handle, "rb", closefd=False) as file:
        return file.read()
