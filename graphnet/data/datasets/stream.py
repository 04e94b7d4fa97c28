"""Long series that are read piece by piece, so that only one piece is in memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from graphnet.core.array_types import plain
from graphnet.core.checks import integer
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, DataError, ShapeError, StateError
from graphnet.core.files.arrays import map_npy
from graphnet.data.datasets.pieces import Piece, Regrouped, piece_of


class Stream:
    """One long series, or several rows of equal length, read piece by piece.

    Training requires ``TrainingConfig(tbptt=(k1, k2))``: it reads k1 steps at a time and carries the state over from
    piece to piece, so memory does not grow with the stream.

    Parameters
    ----------
    source : array, path, mapping of input name to either, iterable or callable
        An array ``(time, …)``, or the path of an ``.npy`` file, which is memory-mapped. Or an iterable of pieces
        ``(inputs, targets)`` or ``(inputs, targets, fresh)``, each with any number of steps: arrays
        ``(steps, batch, …)``, or mappings by name; ``fresh`` has a boolean for each row, true if the row starts from
        the zero state at this piece. A piece may also be a mapping with ``inputs`` and ``targets``, and with ``fresh``,
        ``sample_weight`` and ``target_mask``. Or a callable that returns such an iterable for each epoch.
    targets : array, path, or mapping of output name to either
        With the same number of steps, if ``source`` is an array or a path.
    batch : int or None
        The number of rows into which a series of T steps is cut, each of T // batch consecutive steps; the steps left
        over at the end are not used. None: the arrays have a batch axis, ``(time, batch, …)``.
    sample_weight, target_mask : array, path, or mapping of output name to either, optional
        How much each target counts in the loss, and which ones count at all, as in ``Trainer.fit``: one number or
        boolean for each step. If ``source`` is an array or a path.

    Raises
    ------
    FileError
        If a path is not an ``.npy`` file of numbers.
    ConfigError, ShapeError, DataError
        If source and targets do not fit each other, or are too short for the number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> series = np.arange(10.0)[:, None]
    >>> stream = Stream(series[:-1], series[1:], batch=2)
    >>> stream
    Stream(4 steps of 2 rows)
    >>> [piece.inputs[:, :, 0].tolist() for piece in stream.pieces(3)]
    [[[0.0, 4.0], [1.0, 5.0], [2.0, 6.0]], [[3.0, 7.0]]]
    """

    def __init__(
        self,
        source: Any,
        targets: Any = None,
        *,
        batch: int | None = 1,
        sample_weight: Any = None,
        target_mask: Any = None,
    ) -> None:
        self.rows = integer("Stream", "batch", batch, 1, optional=True)
        self._inputs, self._targets = _arrays(source, "source"), _arrays(targets, "targets")
        self._weighting = {
            name: _given_arrays(value, name)
            for name, value in (("sample_weight", sample_weight), ("target_mask", target_mask))
        }
        self._source = None if self._inputs is not None else source
        self.steps: int | None = None
        self._open: Callable[[], Iterable[Any]] | None = None
        self._remaining: Iterator[Any] | None = None
        if self._inputs is not None:
            self.steps = self._checked_steps()
        else:
            _check_pieces_source(source, targets, any(self._weighting.values()))
            self.rows = None
            if callable(source):
                self._open = source
            elif iter(source) is source:
                self._remaining = source  # it can be read only once
            else:
                self._open = lambda: source

    def _checked_steps(self) -> int:
        """The number of steps of each row."""
        if self._targets is None:
            raise ConfigError(
                "the stream has no targets", where="Stream", expected="an array, or the path of an .npy file"
            )
        arrays = {**self._inputs, **{f"target {name}": a for name, a in self._targets.items()}}  # type: ignore[dict-item]
        arrays |= {f"{kind} {name}".strip(): a for kind, part in self._weighting.items() for name, a in part.items()}
        counts = {name: len(array) for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            received = ", ".join(f"{name or 'inputs'}: {count}" for name, count in counts.items())
            raise ShapeError(
                "inputs and targets differ in steps", where="Stream", expected="equal numbers", received=received
            )
        steps = next(iter(counts.values()))
        if self.rows is None:
            rows = {a.shape[1] if a.ndim > 1 else 0 for a in arrays.values()}
            if len(rows) > 1 or 0 in rows:
                received = ", ".join(str(a.shape) for a in arrays.values())
                raise ShapeError(
                    "the arrays do not have one batch axis of equal size",
                    where="Stream",
                    expected="(time, batch, …)",
                    received=received,
                )
        if steps < (self.rows or 1):
            raise DataError(
                "the series has too few steps", where="Stream", expected=f"at least {self.rows or 1}", received=steps
            )
        return steps // (self.rows or 1)

    @property
    def source(self) -> Any:
        """The iterable of pieces, or the function that returns one; None for arrays."""
        return self._source

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays by kind and name; none for pieces."""
        pairs = (("input", self._inputs), ("target", self._targets), *self._weighting.items())
        return {f"{kind} {name}": a for kind, arrays in pairs for name, a in (arrays or {}).items()}

    # ------------------------------------------------------------------ reading
    def pieces(self, steps: int, done: int = 0) -> Iterator[Piece]:
        """The stream in pieces of ``steps`` steps; shorter at its end, and before a piece with fresh rows.

        The first ``done`` pieces are left out if the stream is made of arrays; of another source, the result is a
        :class:`~graphnet.data.datasets.pieces.Regrouped`, which can go on too.

        Raises
        ------
        StateError
            If the stream is an iterator that has been read before.
        ShapeError, DataError
            If a piece does not fit the pieces before it.
        """
        return Regrouped(self._read(), steps) if self._inputs is None else self._cut(steps, done)

    def count(self, steps: int) -> int | None:
        """The number of pieces; None if it is only known after reading."""
        return None if self.steps is None else -(-self.steps // steps)

    def first(self, steps: int) -> Piece:
        """The first piece; it is also the first of the next ``pieces``.

        Raises
        ------
        DataError
            If the stream is empty.
        """
        if self._inputs is not None:
            return next(self._cut(steps))
        items = self._read()
        try:
            item = next(items)
        except StopIteration:
            raise DataError("the stream is empty", where="Stream", expected="at least one piece") from None
        if self._open is None:
            self._remaining = itertools.chain([item], items)
        return next(Regrouped([item], steps))

    def _read(self) -> Iterator[Any]:
        """The pieces of the source, from the beginning."""
        if self._open is not None:
            return iter(self._open())
        if self._remaining is None:
            raise StateError(
                "the stream has been read already",
                where="Stream",
                expected="a source that can be read for each epoch",
                received="an iterator",
                remedy="Pass a function that returns a new iterator, or train for one epoch.",
            )
        remaining, self._remaining = self._remaining, None
        return remaining

    def _cut(self, steps: int, done: int = 0) -> Iterator[Piece]:
        assert self._inputs is not None and self._targets is not None and self.steps is not None
        for start in range(done * steps, self.steps, steps):
            stop = min(start + steps, self.steps)
            parts = (self._inputs, self._targets, *self._weighting.values())
            yield piece_of(tuple({n: self._steps_of(a, start, stop) for n, a in part.items()} for part in parts))

    def _steps_of(self, array: Array, start: int, stop: int) -> Array:
        if self.rows is None:
            return np.asarray(array[start:stop])
        assert self.steps is not None
        return np.stack([array[r * self.steps + start : r * self.steps + stop] for r in range(self.rows)], axis=1)

    def __repr__(self) -> str:
        if self._inputs is None:
            return "Stream(pieces)"
        rows = next(iter(self._inputs.values())).shape[1] if self.rows is None else self.rows
        return f"Stream({self.steps} steps of {rows} rows)"


def _arrays(source: Any, name: str) -> dict[str, Array] | None:
    """Arrays by name ('' for an array without a name); None if the source is not arrays or paths."""
    if isinstance(source, Mapping):
        arrays = {str(key): _array(value, f"Stream, {name} {key!r}") for key, value in source.items()}
        if not arrays or any(array is None for array in arrays.values()):
            raise ConfigError(
                f"{name} cannot be read", where="Stream", expected="arrays or paths", received=repr(source)
            )
        return {key: array for key, array in arrays.items() if array is not None}
    array = _array(source, f"Stream, {name}")
    return None if array is None else {"": array}


def _array(value: Any, where: str) -> Array | None:
    if isinstance(value, (str, os.PathLike)):
        value = map_npy(value)
    if not isinstance(value, np.ndarray):
        return None
    if value.ndim == 0 or value.dtype.kind not in "biuf":
        received = f"{value.dtype} of shape {value.shape}"
        raise ShapeError("not a series of numbers", where=where, expected="(time, …)", received=received)
    return plain(value, where)  # without a conversion, which would read the whole of a mapped file


def _given_arrays(value: Any, name: str) -> dict[str, Array]:
    """Weights or masks by name; none for None."""
    if value is None:
        return {}
    arrays = _arrays(np.asarray(value) if isinstance(value, (list, tuple)) else value, name)
    if arrays is None:
        raise ConfigError(
            f"{name} cannot be read", where="Stream", expected="arrays or paths", received=type(value).__name__
        )
    return arrays


def _check_pieces_source(source: Any, targets: Any, weighted: bool) -> None:
    """Raise a ConfigError if a source that is not arrays or paths cannot be read in pieces."""
    if targets is not None or weighted:
        raise ConfigError(
            "pieces have their own targets, weights and masks",
            where="Stream",
            expected="pieces (inputs, targets) or mappings, or two arrays",
            received=type(source).__name__,
        )
    if not callable(source) and not isinstance(source, Iterable):
        raise ConfigError(
            "not a stream",
            where="Stream",
            expected="an array, a path, an iterable of pieces, or a function that returns one",
            received=type(source).__name__,
        )
