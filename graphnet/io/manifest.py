"""What is in a checkpoint or in the folder of a model: the size and the checksum of each file, and what they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError
from graphnet.core.files.border import reading
from graphnet.core.files.source import opened, read_bytes

MANIFEST = "manifest.json"
CHECKPOINT, MODEL_FOLDER = "graphnet-checkpoint/1", "graphnet-model/1"
#: Bytes of the longest manifest, and of the piece of a file that is read at a time.
MAX_BYTES, CHUNK = 2**20, 2**20
EXPECTED = "a manifest of graphnet"


@dataclass(frozen=True)
class Manifest:
    """The contents of ``manifest.json``.

    Attributes
    ----------
    form : str
        The version of the format: ``CHECKPOINT`` or ``MODEL_FOLDER``.
    facts : mapping of str to JSON value
        Of a checkpoint: ``epoch``, ``step``, ``resumable``, ``backend``, ``model`` and ``versions``.
    files : mapping of file name to (bytes, SHA-256)
    """

    form: str
    facts: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, form: str, facts: Mapping[str, Any], files: Mapping[str, Iterable[Any]]) -> Manifest:
        """The manifest of files that are given as parts; see :func:`graphnet.io.tensors.encoded`."""
        return cls(form, facts, {name: _measured(parts) for name, parts in files.items()})

    def encoded(self) -> bytes:
        """As JSON, with a checksum of its own."""
        return _encoded(self._plain())

    def _plain(self) -> dict[str, Any]:
        files = {name: {"bytes": size, "sha256": digest} for name, (size, digest) in sorted(self.files.items())}
        return {"format": self.form, **self.facts, "files": files}

    @classmethod
    def read(cls, folder: Path, form: str) -> Manifest:
        """Read and check the manifest in a folder.

        Raises
        ------
        FileError
            If there is none, it has another format, or it is damaged.
        """
        path = folder / MANIFEST
        return cls.parse(read_bytes(path, EXPECTED, MAX_BYTES), path, form)

    @classmethod
    def parse(cls, data: bytes, path: Path, form: str) -> Manifest:
        """Check the bytes of a manifest; see ``read``."""
        with reading(path, EXPECTED):
            value = json.loads(data.decode("utf-8"))
            if not isinstance(value, dict) or value.get("format") != form:
                received = repr(value.get("format") if isinstance(value, dict) else value)[:80]
                raise FileError("another format", where=str(path), expected=form, received=received)
            digest = value.pop("sha256", None)
            if digest != _sha256(value) or data != _encoded(value):
                raise damaged(path, "the checksum in it", "another one")
            files = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in value["files"].items()}
            for name in files:
                if Path(name).name != name or name in ("", ".", ".."):
                    raise damaged(path, "names of files", repr(name)[:80])
            facts = {key: fact for key, fact in value.items() if key not in ("format", "files")}
            if form == CHECKPOINT:
                _check_facts(facts, path)
            return cls(form, facts, files)

    def check(self, path: Path, data: bytes) -> None:
        """Compare the bytes of a file with its entry.

        Raises
        ------
        FileError
            If they differ, or the file has no entry.
        """
        self.compare(path, *_measured([data]))

    def compare(self, path: Path, size: int, digest: str) -> None:
        """Compare the size and the checksum of a file with its entry."""
        if path.name not in self.files:
            raise damaged(path, "a file that the manifest names", "another one")
        expected, wanted = self.files[path.name]
        if size != expected:
            raise damaged(path, f"{expected:,} bytes", f"{size:,} bytes")
        if digest != wanted:
            raise damaged(path, f"SHA-256 {wanted[:64]}", digest)

    def check_file(self, path: Path) -> None:
        """Compare a file with its entry, a piece at a time."""
        state, total = hashlib.sha256(), 0
        with opened(path, "a file that the manifest names") as (file, _), reading(path, "a file of the checkpoint"):
            while piece := file.read(CHUNK):
                state.update(piece)
                total += len(piece)
        self.compare(path, total, state.hexdigest())


def _check_facts(facts: Mapping[str, Any], path: Path) -> None:
    for name, kind in (("epoch", int), ("step", int), ("resumable", bool)):
        if type(facts.get(name)) is not kind:
            raise damaged(path, f"{name!r}", repr(facts.get(name))[:80])


def damaged(path: Path, expected: str, received: str) -> FileError:
    """The error for a file that is not as it was written."""
    return FileError("damaged or changed since it was written", where=str(path), expected=expected, received=received)


def _measured(parts: Iterable[Any]) -> tuple[int, str]:
    state, total = hashlib.sha256(), 0
    for part in parts:
        state.update(part)
        total += len(part)
    return total, state.hexdigest()


def _encoded(value: Mapping[str, Any]) -> bytes:
    return (json.dumps({**value, "sha256": _sha256(value)}) + "\n").encode()


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
