"""Long series that are read piece by piece, so that no more than a piece of them is in memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.array_types import plain
from graphnet.core.checks import integer
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, DataError, FileError, ShapeError, StateError
from graphnet.data.datasets.pieces import Piece, bare, regrouped


class Stream:
    """One long series, or several side by side, read piece by piece.

    Trained on with ``TrainingConfig(tbptt=(k1, k2))``, which takes k1 steps at a time and carries the state over from
    piece to piece, so memory does not grow with the stream.

    Parameters
    ----------
    source : array, path, mapping of input name to either, iterable or callable
        An array ``(time, …)``, or the path of an ``.npy`` file of one, which is mapped into memory and read as it is
        needed. Or an iterable of pieces ``(inputs, targets)`` or ``(inputs, targets, fresh)``, each with any number of
        steps: arrays ``(steps, batch, …)``, or mappings by name; ``fresh`` has a truth value for each row, true where
        something new begins with the piece. A callable returns such an iterable, anew for each epoch.
    targets : array, path, or mapping of output name to either
        With as many steps, where ``source`` is an array or a path.
    batch : int or None
        Rows side by side: a series of T steps is cut into so many of T // batch steps, one after the other in time; the
        steps that are left over at its end are left out. None: the arrays have a batch axis, ``(time, batch, …)``.

    Raises
    ------
    FileError
        If a path is no ``.npy`` file of numbers.
    ConfigError, ShapeError, DataError
        If source and targets do not belong together, or are too short for the rows.

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

    def __init__(self, source: Any, targets: Any = None, *, batch: int | None = 1) -> None:
        self.rows = integer("Stream", "batch", batch, 1, optional=True)
        self._inputs, self._targets = _arrays(source, "source"), _arrays(targets, "targets")
        self.steps: int | None = None
        self._open: Callable[[], Iterable[Any]] | None = None
        self._rest: Iterator[Any] | None = None
        if self._inputs is not None:
            self.steps = self._checked_steps()
        else:
            _refuse_no_stream(source, targets)
            self.rows = None
            if callable(source):
                self._open = source
            elif iter(source) is source:
                self._rest = source  # it can be read only once
            else:
                self._open = lambda: source

    def _checked_steps(self) -> int:
        """The steps of each row."""
        if self._targets is None:
            raise ConfigError(
                "the stream has no targets", where="Stream", expected="an array, or the path of an .npy file"
            )
        arrays = {**self._inputs, **{f"target {name}": a for name, a in self._targets.items()}}  # type: ignore[dict-item]
        counts = {name: len(array) for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name or 'inputs'}: {count}" for name, count in counts.items())
            raise ShapeError(
                "inputs and targets differ in steps", where="Stream", expected="equal numbers", received=told
            )
        steps = next(iter(counts.values()))
        if self.rows is None:
            rows = {a.shape[1] if a.ndim > 1 else 0 for a in arrays.values()}
            if len(rows) > 1 or 0 in rows:
                received = ", ".join(str(a.shape) for a in arrays.values())
                raise ShapeError(
                    "no batch axis of one size", where="Stream", expected="(time, batch, …)", received=received
                )
        if steps < (self.rows or 1):
            raise DataError("too few steps", where="Stream", expected=f"at least {self.rows or 1}", received=steps)
        return steps // (self.rows or 1)

    # ------------------------------------------------------------------ reading
    def pieces(self, steps: int) -> Iterator[Piece]:
        """The whole stream in pieces of ``steps`` steps; shorter where it ends, and before something new begins.

        Raises
        ------
        StateError
            If the stream was read before and cannot be read again (an iterator).
        ShapeError, DataError
            If a piece does not go with those before it.
        """
        return self._cut(steps) if self._inputs is not None else regrouped(self._read(), steps)

    def count(self, steps: int) -> int | None:
        """How many pieces there are; None where only reading tells."""
        return None if self.steps is None else -(-self.steps // steps)

    def first(self, steps: int) -> Piece:
        """The first piece, which will be read again.

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
            self._rest = itertools.chain([item], items)
        return next(regrouped([item], steps))

    def _read(self) -> Iterator[Any]:
        """The pieces as they come, from the beginning."""
        if self._open is not None:
            return iter(self._open())
        if self._rest is None:
            raise StateError(
                "the stream is used up",
                where="Stream",
                expected="something that can be read once more for each epoch",
                received="an iterator",
                remedy="Give a function that returns a new iterator, or train for one epoch.",
            )
        rest, self._rest = self._rest, None
        return rest

    def _cut(self, steps: int) -> Iterator[Piece]:
        assert self._inputs is not None and self._targets is not None and self.steps is not None
        for start in range(0, self.steps, steps):
            stop = min(start + steps, self.steps)
            inputs = {name: self._taken(a, start, stop) for name, a in self._inputs.items()}
            targets = {name: self._taken(a, start, stop) for name, a in self._targets.items()}
            yield Piece(bare(inputs), bare(targets))

    def _taken(self, array: Array, start: int, stop: int) -> Array:
        if self.rows is None:
            return np.asarray(array[start:stop])
        assert self.steps is not None
        return np.stack([array[r * self.steps + start : r * self.steps + stop] for r in range(self.rows)], axis=1)

    def __repr__(self) -> str:
        if self._inputs is None:
            return "Stream(pieces as they come)"
        rows = next(iter(self._inputs.values())).shape[1] if self.rows is None else self.rows
        return f"Stream({self.steps} steps of {rows} rows)"


def _arrays(source: Any, what: str) -> dict[str, Array] | None:
    """Arrays by name ('' for one without); None where the source is something else."""
    if isinstance(source, Mapping):
        found = {str(name): _array(value, f"Stream, {what} {name!r}") for name, value in source.items()}
        if not found or any(value is None for value in found.values()):
            raise ConfigError(
                f"{what} cannot be read", where="Stream", expected="arrays or paths", received=repr(source)
            )
        return {name: value for name, value in found.items() if value is not None}
    array = _array(source, f"Stream, {what}")
    return None if array is None else {"": array}


def _array(value: Any, place: str) -> Array | None:
    if isinstance(value, (str, os.PathLike)):
        value = _mapped(Path(value))
    if not isinstance(value, np.ndarray):
        return None
    if value.ndim == 0 or value.dtype.kind not in "biuf":
        received = f"{value.dtype} of shape {value.shape}"
        raise ShapeError("no series of numbers", where=place, expected="(time, …)", received=received)
    return plain(value, place)  # in the dtype that it has, so that a mapped file is not read as a whole


def _mapped(path: Path) -> Array:
    try:
        found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FileError("cannot be read", where=str(path), expected="an .npy file", received=str(error)) from None
    if not isinstance(found, np.ndarray):
        raise FileError("not one array", where=str(path), expected="an .npy file", received=type(found).__name__)
    return found


def _refuse_no_stream(source: Any, targets: Any) -> None:
    """Refuse what no piece can be read from."""
    if targets is not None:
        raise ConfigError(
            "targets beside pieces",
            where="Stream",
            expected="pieces (inputs, targets), or two arrays",
            received=type(source).__name__,
        )
    if not callable(source) and not isinstance(source, Iterable):
        raise ConfigError(
            "not a stream",
            where="Stream",
            expected="an array, a path, an iterable of pieces, or a function that returns one",
            received=type(source).__name__,
        )
