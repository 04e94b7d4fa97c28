"""Saves a batch, and the state before it, so that it can be run again."""

from __future__ import annotations

import io
import json
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import FileError
from graphnet.core.files import private
from graphnet.data.batches import Batch
from graphnet.training.nonfinite.batch_start import BatchStart


def save_batch(path: str, batch: Batch, feed: Any, start: BatchStart, epoch: int, number: int) -> str:
    """Write a batch as ``.npz``, which only its owner may read; an existing file is never overwritten.

    The arrays are ``inputs/…``, ``lengths/…``, ``targets/…``, ``masks/…``, ``weights/…`` (also the buffers before the
    batch), ``state/…`` (carried states), ``positions`` (of the examples) and ``about``, a text in JSON with epoch,
    batch and the state of the random generator. Earlier pieces, which the gradient may reach back to, are not saved.

    Parameters
    ----------
    path : str
        A number is put before the suffix if the file exists: ``batch.npz``, ``batch-2.npz``.

    Returns
    -------
    str
        The path of the file.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    contents = _contents(batch, feed, start, epoch, number)
    given = Path(path)
    try:
        for i in count(1):
            target = given if i == 1 else given.with_name(f"{given.stem}-{i}{given.suffix}")
            try:
                private.write(str(target), contents)
            except FileExistsError:
                continue
            return str(target)
    except (OSError, ValueError) as error:
        raise FileError("the batch cannot be written", where=path, received=str(error)) from error
    raise AssertionError


def _contents(batch: Batch, feed: Any, start: BatchStart, epoch: int, number: int) -> bytes:
    start.rewind(feed)
    arrays: dict[str, Array] = {}
    parts: dict[str, Any] = {"inputs": batch.inputs, "lengths": batch.lengths, "targets": batch.targets}
    parts["masks"] = {name: mask for name, mask in batch.masks.items() if mask is not None}
    parts["weights"] = {n: p.value for n, p in feed.runner.parameters.items()} | feed.runner.buffers
    parts["state"] = {} if start.state is None else start.state.arrays
    for part, mapping in parts.items():
        arrays |= {f"{part}/{name}": np.asarray(array) for name, array in mapping.items()}
    if batch.fresh is not None:
        arrays["fresh"] = batch.fresh
    if batch.positions is not None:
        rows = batch.positions
        arrays["positions"] = np.arange(rows.start or 0, rows.stop) if isinstance(rows, slice) else np.asarray(rows)
    about = {"format": "graphnet-batch/1", "epoch": epoch, "batch": number, "generator": start.numbers()}
    arrays["about"] = np.array(json.dumps(about, default=_plain))
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
