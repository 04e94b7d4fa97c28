"""Pieces of a stream: consecutive steps of all rows, regrouped to a given number of steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import DataError, ShapeError

#: What a piece is made of; the last two may be missing.
PARTS = ("inputs", "targets", "sample_weight", "target_mask")
#: The arrays of each part by name.
Parts = tuple[dict[str, Array], ...]
#: An array, or several by name.
Values = Array | Mapping[str, Array]


class Piece(NamedTuple):
    """Consecutive steps of all rows of a stream.

    Attributes
    ----------
    inputs, targets : array (steps, batch, …), or mapping of name to array
    fresh : boolean array (batch,) or None
        The rows that start from the zero state at this piece.
    sample_weight, target_mask : array (steps, batch, …), mapping of output name to array, or None
    """

    inputs: Values
    targets: Values
    fresh: Array | None = None
    sample_weight: Values | None = None
    target_mask: Values | None = None


def piece_of(parts: Parts, fresh: Array | None = None) -> Piece:
    """A piece of its parts, in the order of ``PARTS``; empty ones are missing."""
    inputs, targets, *weighting = parts
    return Piece(unnamed(inputs), unnamed(targets), fresh, *(unnamed(part) if part else None for part in weighting))


def unnamed(values: dict[str, Array]) -> Values:
    """The array itself if it has no name; else the mapping."""
    return values[""] if list(values) == [""] else values


class Regrouped(Iterator[Piece]):
    """Pieces of ``steps`` steps from pieces of any number of them, read one by one.

    Parameters
    ----------
    items : iterable
    steps : int

    Raises
    ------
    ShapeError, DataError
        By ``next``, if an item is invalid, or does not fit those before it.
    """

    def __init__(self, items: Iterable[Any], steps: int) -> None:
        self._items, self._steps = iter(items), steps
        self._read = 0
        self._parts: list[Parts] = []
        self._fresh: Array | None = None
        #: An item with fresh rows, which waits until the steps before it have been returned.
        self._waiting: tuple[Parts, Array] | None = None
        self._first_shapes: tuple[Any, ...] | None = None

    def __next__(self) -> Piece:
        while _steps(self._parts) < self._steps:
            if self._waiting is not None:
                if self._parts:
                    return self._take(self._parts, [])
                parts, self._fresh = self._waiting
                self._parts, self._waiting = [parts], None
            elif not self._add_item():
                if not _steps(self._parts):
                    raise StopIteration
                return self._take(self._parts, [])
        return self._take(*_split(self._parts, self._steps))

    def _take(self, parts: list[Parts], rest: list[Parts]) -> Piece:
        piece = _joined(parts, self._fresh)
        self._parts, self._fresh = rest, None
        return piece

    def _add_item(self) -> bool:
        """Read an item; False at the end."""
        try:
            item = next(self._items)
        except StopIteration:
            return False
        self._read += 1
        where = f"Stream, piece {self._read}"
        parts, fresh = _checked(item, where)
        shapes = tuple((name, a.shape[1:]) for part in parts for name, a in part.items())
        if self._first_shapes not in (None, shapes):
            raise ShapeError(
                "pieces differ in shape", where=where, expected=str(self._first_shapes), received=str(shapes)
            )
        self._first_shapes = shapes
        if fresh is not None:
            self._waiting = parts, fresh
        else:
            self._parts.append(parts)
        return True

    @property
    def unread_bytes(self) -> int:
        """The bytes of what has been read and not returned yet."""
        waiting = [] if self._waiting is None else [self._waiting[0]]
        return sum(a.nbytes for parts in [*self._parts, *waiting] for part in parts for a in part.values())

    @property
    def unread(self) -> dict[str, Any]:
        """What has been read and not returned yet, and the number of items that have been read."""
        waiting = None if self._waiting is None else [*self._waiting[0], self._waiting[1]]
        return {"read": self._read, "parts": [list(part) for part in self._parts], "fresh": self._fresh,
                "waiting": waiting}  # fmt: skip

    def go_on(self, unread: Mapping[str, Any]) -> None:
        """Read as many items as :attr:`unread` says in vain, and continue with what it holds."""
        for _ in itertools.islice(self._items, unread["read"]):
            self._read += 1
        self._parts = [_four(parts) for parts in unread["parts"]]
        self._fresh = unread["fresh"]
        waiting = unread["waiting"]
        self._waiting = None if waiting is None else (_four(waiting[:-1]), waiting[-1])


def _four(parts: Iterable[dict[str, Array]]) -> Parts:
    """All parts; checkpoints of earlier versions have inputs and targets only."""
    found = tuple(parts)
    return found + ({},) * (len(PARTS) - len(found))


def _checked(item: Any, where: str) -> tuple[Parts, Array | None]:
    """One piece: arrays by name, all with the same steps and rows."""
    if isinstance(item, Mapping):
        if not {"inputs", "targets"} <= item.keys() or not item.keys() <= {*PARTS, "fresh"}:
            raise _invalid(where, f"a mapping with {', '.join(map(str, item))}")
        given, fresh = [item.get(name) for name in PARTS], item.get("fresh")
    elif isinstance(item, (tuple, list)) and len(item) in (2, 3):
        given, fresh = [item[0], item[1], None, None], item[2] if len(item) == 3 else None
    else:
        raise _invalid(where, type(item).__name__)
    names = ("input", "target", "sample_weight", "target_mask")
    parts = tuple(_arrays(part, f"{where}, {name}") for name, part in zip(names, given, strict=True))
    arrays = [array for part in parts for array in part.values()]
    if any(a.ndim < 2 for a in arrays) or len({a.shape[:2] for a in arrays}) != 1:
        received = ", ".join(str(a.shape) for a in arrays)
        raise ShapeError("steps and rows differ", where=where, expected="(steps, batch, …) each", received=received)
    return parts, None if fresh is None else _checked_fresh(fresh, arrays[0].shape[1], where)


def _arrays(part: Any, where: str) -> dict[str, Array]:
    if isinstance(part, Mapping):
        return {str(name): as_array(value, f"{where} {name!r}") for name, value in part.items()}
    return {} if part is None else {"": as_array(part, where)}


def _invalid(where: str, received: str) -> DataError:
    return DataError(
        "invalid piece",
        where=where,
        expected=f"(inputs, targets), (inputs, targets, fresh), or a mapping with some of {', '.join(PARTS)}, fresh",
        received=received,
    )


def _checked_fresh(fresh: Any, rows: int, where: str) -> Array | None:
    fresh = as_array(fresh, f"{where}, fresh")
    if fresh.dtype != bool or fresh.shape != (rows,):
        received = f"{fresh.dtype} of shape {fresh.shape}"
        raise ShapeError("fresh must have one boolean for each row", where=where, expected=(rows,), received=received)
    return fresh if fresh.any() else None


def _steps(parts: list[Parts]) -> int:
    return sum(len(next(iter(inputs.values()))) for inputs, *_ in parts)


def _split(parts: list[Parts], steps: int) -> tuple[list[Parts], list[Parts]]:
    """The first ``steps`` steps, and the rest."""
    *before, last = parts
    left = steps - _steps(before)
    first = [*before, tuple({name: a[:left] for name, a in part.items()} for part in last)]
    if left == len(next(iter(last[0].values()))):
        return first, []
    return first, [tuple({name: a[left:] for name, a in part.items()} for part in last)]


def _joined(parts: list[Parts], fresh: Array | None) -> Piece:
    joined = ({name: np.concatenate([p[i][name] for p in parts]) for name in parts[0][i]} for i in range(len(PARTS)))
    return piece_of(tuple(joined), fresh)
