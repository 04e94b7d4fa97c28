"""A hash of the contents of training data: a resumed run must continue on the same numbers in the same order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.data.batches import Examples
from graphnet.data.datasets.stream import Stream
from graphnet.data.sources import SequenceSource

#: Bytes that are hashed at a time, so that a file that is mapped into memory is read in parts.
CHUNK = 2**22


class DataHash:
    """Hashes arrays with their names, dtypes and shapes; an array that was hashed before counts by its number.

    Examples
    --------
    >>> def of(array):
    ...     data = DataHash()
    ...     data.array("x", array)
    ...     return data.result()
    >>> of(np.zeros((2, 3))) == of(np.zeros((2, 3))), of(np.zeros((2, 3))) == of(np.zeros((3, 2)))
    (True, False)
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=32)
        self._seen: dict[int, tuple[int, Any]] = {}

    def text(self, text: str) -> None:
        """Add a text; its length separates it from the next one."""
        self._hash.update(f"{len(text)}:{text}".encode())

    def array(self, name: str, array: Array) -> None:
        """Add an array."""
        number = self._seen.get(id(array), (None, None))[0]
        if number is not None:
            self.text(f"{name} is array {number}")
            return
        self._seen[id(array)] = (len(self._seen), array)
        self.text(f"{name} {array.dtype.str} {array.shape}")
        if array.ndim == 0 or array.nbytes <= CHUNK:
            self._hash.update(np.ascontiguousarray(array).tobytes())
            return
        rows = max(1, CHUNK * len(array) // array.nbytes)
        for start in range(0, len(array), rows):
            self._hash.update(np.ascontiguousarray(array[start : start + rows]).data)

    def result(self) -> str:
        """The hash as hexadecimal digits."""
        return self._hash.hexdigest()


def data_hash(data: Examples | Stream, validation: Examples | Stream | None) -> str:
    """The hash of the examples to train on and of those held out: contents, dtypes, lengths, masks and order.

    Of a Stream of arrays or files the contents are hashed; of pieces in a list too. Pieces that a function or an
    iterator returns are not known before they are read, so that only the kind of the source counts.
    """
    total = DataHash()
    for name, part in (("training", data), ("validation", validation)):
        total.text(name)
        if isinstance(part, Examples):
            _add_examples(total, part)
        elif isinstance(part, Stream):
            _add_stream(total, part)
    return total.result()


def _add_examples(total: DataHash, data: Examples) -> None:
    for kind, sources in (("input", data.inputs), ("target", data.targets)):
        for name, source in sources.items():
            total.text(f"{kind} {name} {type(source).__name__}")
            if isinstance(source, SequenceSource):
                for i, array in enumerate(source.arrays):
                    total.array(str(i), array)
                continue
            _add_attributes(total, source)
    if data.rows is not None:
        total.array("rows", np.asarray(data.rows))


def _add_attributes(total: DataHash, source: Any) -> None:
    """Every array of a source, by attribute, and the plain values that say how it is read."""
    for name, value in vars(source).items():
        if isinstance(value, np.ndarray):
            total.array(name, value)
        elif isinstance(value, (int, str, np.dtype)) or value is None:
            total.text(f"{name} {value}")


def _add_stream(total: DataHash, stream: Stream) -> None:
    total.text(f"stream of {stream.rows} rows")
    for name, array in stream.arrays.items():
        total.array(name, array)
    if isinstance(stream.source, (list, tuple)):
        for number, piece in enumerate(stream.source):
            for part in piece if isinstance(piece, (list, tuple)) else ():
                arrays = part if isinstance(part, Mapping) else {"": part}
                for name, array in arrays.items():
                    if array is not None:
                        total.array(f"{number} {name}", np.asarray(array))
