"""A hash of the contents of training data: a resumed run must continue on the same numbers in the same order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.data.batches import Examples
from graphnet.data.datasets.stream import Stream
from graphnet.data.sources import SequenceSource

#: Bytes that are hashed at a time, so that a file that is mapped into memory is read in parts.
CHUNK = 2**22


class DataHashes:
    """Hashes of arrays with their dtypes and shapes; an array that was hashed before is not read again."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[bytes, Any]] = {}

    def of(self, arrays: Iterable[Array], text: str = "") -> str:
        """The hash of several arrays in their order, and of a text, as hexadecimal digits.

        Examples
        --------
        >>> hashes = DataHashes()
        >>> hashes.of([np.zeros((2, 3))]) == hashes.of([np.zeros((2, 3))])
        True
        >>> hashes.of([np.zeros((2, 3))]) == hashes.of([np.zeros((3, 2))])
        False
        """
        total = hashlib.blake2b(text.encode(), digest_size=32)
        for array in arrays:
            if id(array) not in self._seen:
                self._seen[id(array)] = self._digest(array), array
            total.update(self._seen[id(array)][0])
        return total.hexdigest()

    @staticmethod
    def _digest(array: Array) -> bytes:
        digest = hashlib.blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=32)
        if array.ndim == 0 or array.nbytes <= CHUNK:
            digest.update(np.ascontiguousarray(array).tobytes())
            return digest.digest()
        rows = max(1, CHUNK * len(array) // array.nbytes)
        for start in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[start : start + rows]).data)
        return digest.digest()


def data_hashes(data: Examples | Stream, validation: Examples | Stream | None) -> dict[str, str]:
    """Hashes of each part of the data to train on and of those held out: contents, dtypes, lengths, masks and order.

    Of a Stream of arrays or files the contents are hashed; of pieces in a list too. Pieces that a function or an
    iterator returns are not known before they are read, so that only the kind of the source counts.
    """
    hashes = DataHashes()
    parts = {"": data, "validation ": validation}
    return {
        f"{name}{key}": value
        for name, part in parts.items()
        for key, value in (
            _of_examples(part, hashes) if isinstance(part, Examples) else _of_stream(part, hashes) if part else ()
        )
    }


def _of_examples(data: Examples, hashes: DataHashes) -> Iterator[tuple[str, str]]:
    kinds = {"input": data.inputs, "target": data.targets, "weight": data.weights, "mask": data.target_masks}
    for kind, sources in kinds.items():
        for name, source in sources.items():
            yield f"{kind} {name}", hashes.of(*_of_source(source))
    for name, classes in data.class_weights.items():
        yield f"class weights {name}", hashes.of([classes.table])
    if data.rows is not None:
        yield "examples", hashes.of([np.asarray(data.rows)])


def _of_source(source: Any) -> tuple[list[Array], str]:
    """Every array of a source, and the plain values that say how it is read, but for the dtype."""
    if isinstance(source, SequenceSource):
        return source.arrays, "sequences"
    values = {name: value for name, value in vars(source).items() if not name.startswith("_")}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in values.items() if isinstance(value, (int, str)) or value is None}
    return list(arrays.values()), f"{type(source).__name__} {plain} {list(arrays)}"


def _of_stream(stream: Stream, hashes: DataHashes) -> Iterator[tuple[str, str]]:
    for name, array in stream.arrays.items():
        yield name, hashes.of([array], f"{stream.rows} rows")
    if isinstance(stream.source, (list, tuple)):
        yield "pieces", hashes.of(_of_pieces(stream.source))
    elif not stream.arrays:
        yield "pieces", "read once" if isinstance(stream.source, Iterator) else "read for each epoch"


def _of_pieces(pieces: Iterable[Any]) -> Iterator[Array]:
    for piece in pieces:
        found = piece.values() if isinstance(piece, Mapping) else piece
        for part in found if isinstance(piece, (list, tuple, Mapping)) else ():
            for array in part.values() if isinstance(part, Mapping) else (part,):
                if array is not None:
                    yield np.asarray(array)
