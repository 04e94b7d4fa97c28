"""Checks everything in the folder of a run or of a model, a piece at a time: ``graphnet verify``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.errors import FileError, GraphnetError
from graphnet.core.files.border import reading
from graphnet.core.files.source import opened, read_bytes
from graphnet.core.files.tensors import DTYPES, check_digest, read_header
from graphnet.core.run import allocation
from graphnet.core.run.runner import Runner
from graphnet.io.checkpoint import ARRAYS, BEST, FORMATS, VALUES, Entry, entries
from graphnet.io.checkpoint import WEIGHTS as WEIGHTS_PART
from graphnet.io.manifest import CHECKPOINT, MANIFEST, MODEL_FOLDER, Manifest, damaged
from graphnet.io.model_file import read_model
from graphnet.io.model_folder import MODEL, STATE, VERSIONS, WEIGHTS
from graphnet.io.run_files import METRICS, SUMMARY
from graphnet.io.run_history import HISTORY
from graphnet.io.state import FORMAT as STATE_FORMAT
from graphnet.io.weights import FORMAT as WEIGHTS_FORMAT

#: Bytes that are read at a time, and the most of a file of JSON.
CHUNK, JSON_BYTES = 2**20, 2**28
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes
    ----------
    path : Path
    problem : GraphnetError or None
        None: it is as it was written.
    """

    path: Path
    problem: GraphnetError | None = None


def verify(path: Path) -> Iterator[Finding]:
    """Check the folder of a run or of a model, or a model file: yields each thing that was checked.

    Of a run: the model file, every checkpoint (sizes and checksums by its manifest, headers, shapes of the weights,
    numbers that are not finite), the metrics, and the results. Nothing is allocated that grows with the weights. A
    checkpoint of a running training that is removed meanwhile is left out.

    Raises
    ------
    FileError
        If there is no such file or folder.
    """
    if not os.path.lexists(path):
        raise FileError(
            "cannot be read", where=str(path), expected="a run, a model, or a model file", received="nothing"
        )
    if not os.path.isdir(path):
        yield _found(path, lambda: read_model(path, allocate=False))
        return
    shapes: dict[str, tuple[int, ...]] = {}
    yield _found(path / MODEL, lambda: shapes.update(_shapes(path / MODEL)))
    found = entries(path)
    for entry in found:
        yield from _checkpoint(entry, shapes)
    if not found or os.path.isfile(path / MANIFEST):
        yield from _model(path, shapes)
    else:
        for name, form in ((WEIGHTS, WEIGHTS_FORMAT), (STATE, STATE_FORMAT)):
            if os.path.lexists(path / name):
                yield _found(path / name, lambda n=name, f=form: check_tensors(path / n, f, shapes))  # type: ignore[misc]
    for name in (VERSIONS, SUMMARY, HISTORY):
        if os.path.lexists(path / name):
            yield _found(path / name, lambda name=name: _read_json(path / name))  # type: ignore[misc]
    if os.path.lexists(path / METRICS):
        yield _found(path / METRICS, lambda: _check_metrics(path / METRICS))


def _found(path: Path, check: Callable[[], Any]) -> Finding:
    try:
        with reading(path, "a file that can be checked"):
            check()
    except GraphnetError as error:
        return Finding(path, error)
    return Finding(path)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights and buffers that the model file determines."""
    with random.using(np.random.default_rng(0)):
        runner = Runner(read_model(path, allocate=False).graph)
    found: dict[str, tuple[int, ...]] = {}
    for node, described in allocation.specs(runner).items():
        for specs in (described.weights, described.buffers):
            found |= {f"{node}/{name}": tuple(spec.shape) for name, spec in specs.items()}
    return found


def _checkpoint(entry: Entry, shapes: Shapes) -> Iterator[Finding]:
    findings = list(_of_checkpoint(entry, shapes))
    if os.path.isdir(entry.path):  # else it was removed, because there are newer ones
        yield from findings


def _of_checkpoint(entry: Entry, shapes: Shapes) -> Iterator[Finding]:
    manifest: list[Manifest] = []
    yield _found(entry.path / MANIFEST, lambda: manifest.append(Manifest.read(entry.path, CHECKPOINT)))
    for name in manifest[0].files if manifest else ():
        path = entry.path / name
        finding = _found(path, lambda path=path: manifest[0].check_file(path))  # type: ignore[misc]
        part = name.removesuffix(".safetensors")
        if finding.problem is None and name == VALUES:
            finding = _found(path, lambda path=path: _read_json(path))  # type: ignore[misc]
        elif finding.problem is None and part != name:
            form, known = FORMATS.get(part, ARRAYS), shapes if part in (WEIGHTS_PART, BEST) else {}
            finding = _found(path, lambda p=path, f=form, k=known: check_tensors(p, f, k, numbers=bool(k)))  # type: ignore[misc]
        yield finding


def _model(folder: Path, shapes: Shapes) -> Iterator[Finding]:
    """A folder that ``Model.save`` wrote, or an earlier version."""
    if os.path.isfile(folder / MANIFEST):
        manifest: list[Manifest] = []
        yield _found(folder / MANIFEST, lambda: manifest.append(Manifest.read(folder, MODEL_FOLDER)))
        for name in manifest[0].files if manifest else ():
            yield _found(folder / name, lambda name=name: manifest[0].check_file(folder / name))  # type: ignore[misc]
    yield _found(folder / WEIGHTS, lambda: check_tensors(folder / WEIGHTS, WEIGHTS_FORMAT, shapes))
    if os.path.lexists(folder / STATE):
        yield _found(folder / STATE, lambda: check_tensors(folder / STATE, STATE_FORMAT, {}))


# ---------------------------------------------------------------------- single files
def check_tensors(path: Path, form: str, shapes: Shapes, *, numbers: bool = True) -> None:
    """Check a safetensors file a piece at a time.

    Parameters
    ----------
    path : Path
    form : str
        Its format.
    shapes : mapping of name to shape
        Those that arrays of these names must have.
    numbers : bool
        Whether all numbers must be finite.

    Raises
    ------
    FileError
        If one of these does not hold, the file is not whole, or its checksum differs.
    """
    header, metadata, start = read_header(path, "arrays")
    if metadata.get("format", form) != form:
        raise FileError("another format", where=str(path), expected=form, received=repr(metadata["format"])[:80])
    for name, entry in header.items():
        if name in shapes and tuple(entry["shape"]) != shapes[name]:
            raise damaged(path, f"{name} of shape {shapes[name]}", str(tuple(entry["shape"])))
    missing = sorted(shapes.keys() - header.keys())
    if missing:
        raise damaged(path, f"an array {missing[0]!r}", "a file without it")
    check_digest(path, header, metadata, _tensors(path, start))
    if numbers:
        for name, entry in header.items():
            _check_finite(path, start, name, entry)


def _tensors(path: Path, start: int) -> Iterator[bytes]:
    with opened(path, "arrays") as (file, _):
        file.seek(start)
        while piece := file.read(CHUNK):
            yield piece


def _check_finite(path: Path, start: int, name: str, entry: Mapping[str, Any]) -> None:
    dtype = np.dtype(DTYPES[entry["dtype"]])
    if dtype.kind != "f":
        return
    with opened(path, "arrays") as (file, _):
        file.seek(start + entry["data_offsets"][0])
        left = math.prod(entry["shape"])
        while left:
            values = np.frombuffer(file.read(min(left, CHUNK // 8) * dtype.itemsize), dtype)
            if not len(values):
                raise damaged(path, "more bytes", "the end of the file")
            if not np.isfinite(values).all():
                raise FileError("holds numbers that are not finite", where=f"{path}: {name}", expected="finite numbers")
            left -= len(values)


def _read_json(path: Path) -> Any:
    return json.loads(read_bytes(path, "JSON", JSON_BYTES).decode("utf-8"))


def _check_metrics(path: Path) -> None:
    """Check that each whole line is an epoch, in order; a line that is being written has no end yet."""
    with opened(path, "lines of JSON") as (file, _):
        for number, line in enumerate(iter(file.readline, b""), 1):
            if not line.endswith(b"\n"):
                return
            with reading(f"{path}, line {number}", "an epoch as JSON"):
                if json.loads(line)["epoch"] != number:
                    raise damaged(path, f"epoch {number}", line[:80].decode("utf-8", "replace"))
